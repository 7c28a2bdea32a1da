"""A host whose clock is off: what is recorded has PostgreSQL's time all the same, and the host says that it is off."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest

from procedures_project.embedded import embedded_servers
from tests.clocks import LIBRARIES, clock_off_by
from tests.factories import body
from tests.faults.services import Service, serving
from tests.processes import eventually
from tests.samples import Samples

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed: apt-get install libfaketime")

MINUTES = 15


class World:
    """A service whose clock is off, and the database whose clock is right."""

    def __init__(self, service: Service, database_url: str) -> None:
        self.service = service
        self._database_url = database_url

    def now(self) -> datetime:
        """Return the time by PostgreSQL's clock, to the millisecond."""
        with psycopg.connect(self._database_url) as connection:
            (instant,) = connection.execute("SELECT date_trunc('milliseconds', clock_timestamp())").fetchone() or ()
        return datetime.fromisoformat(instant.isoformat()).astimezone(UTC)

    def end_token_of(self, role: str, *, seconds: int) -> None:
        """Let a role's token end in so many seconds from now, by PostgreSQL's clock."""
        with psycopg.connect(self._database_url) as connection:
            connection.execute(
                "UPDATE access_apitoken SET expires_at = clock_timestamp() + make_interval(secs => %s)"
                " FROM auth_user WHERE auth_user.id = user_id AND username = %s",
                [seconds, role],
            )


@pytest.fixture(scope="module", params=[-MINUTES, MINUTES], ids=["behind", "ahead"])
def minutes(request: pytest.FixtureRequest) -> int:
    """How far the clock is off."""
    return int(request.param)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, minutes: int) -> Iterator[World]:
    """A service with a clock that is off; the servers beside it and this process have the right one."""
    tmp_path = tmp_path_factory.mktemp("clock")
    with ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(tmp_path / "servers", durable=False))
        url = servers.database_url
        service = stack.enter_context(
            serving(
                tmp_path, url, ready="degraded",
                DATABASE_URL=url, REDIS_URL=servers.redis_url, **clock_off_by(minutes),
            )
        )  # fmt: skip
        yield World(service, url)


def test_what_is_recorded_has_the_time_of_postgresql_and_the_host_says_that_its_clock_is_off(
    world: World, minutes: int
) -> None:
    service = world.service
    assert service.post("/procedures", body("gibson")).status_code == 201
    began = world.now()
    run = service.post("/runs", {"procedure": "gibson"}).json()
    path, performed_at = f"/runs/{run['id']}", world.now().isoformat()
    committed = service.post(f"{path}/steps/measure/commit", {"performed_at": performed_at})
    aborted = service.post(f"{path}/abort", {"reason": "The clock was looked at."})
    ended = world.now()

    assert (committed.status_code, aborted.status_code) == (201, 200), (committed.text, aborted.text)
    told = service.get(path).json()
    times = [datetime.fromisoformat(told[name]) for name in ("started_at", "ended_at")]
    assert [began, *times, ended] == sorted([began, *times, ended])
    direction = "ahead of" if minutes > 0 else "behind"
    found = eventually(lambda: looked_well(service))
    assert (found["status"], found["postgresql"]) == ("degraded", "ok")
    assert re.fullmatch(rf"\d+\.\d s {direction} PostgreSQL's", found["clock"])
    offset = Samples(service.request("GET", "/metrics", role=None).text).total("backend_clock_offset_seconds")
    assert abs(offset - 60 * abs(minutes)) < 30  # a busy machine may take its time between two readings
    log = service.granian.log_path.read_text(encoding="utf-8")
    assert log.count('"host_clock_off"') == 1


def looked_well(service: Service) -> dict[str, str]:
    """Return what was found; nothing where the last look came to nothing, as it may on a busy machine."""
    found = service.readiness()
    return found if found["postgresql"] == "ok" else {}


def test_a_token_ends_by_the_clock_of_postgresql(world: World) -> None:
    world.end_token_of("viewer", seconds=60)
    world.end_token_of("operator", seconds=-60)

    statuses = [world.service.request("GET", "/runs", role).status_code for role in ("viewer", "viewer", "operator")]

    assert statuses == [200, 200, 401]  # the second one is remembered
