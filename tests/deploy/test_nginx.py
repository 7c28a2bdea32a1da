"""The service behind nginx with the files of `deploy/nginx`."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from procedures_project.embedded import HOST
from tests.deploy.site import NAME, NGINX, Site, running_site
from tests.factories import body
from tests.faults.threads import Threads
from tests.next_tree import make_next_tree
from tests.processes import eventually, run_python

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CLIENTS_ADDRESS = "127.0.0.2"
CLAIMED_ADDRESS = "203.0.113.9"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Two instances behind nginx."""
    with TemporaryDirectory(prefix="procedures-site-") as folder, running_site(Path(folder)) as site:
        yield site


def test_plain_http_is_sent_to_https_by_the_sites_own_name(site: Site) -> None:
    answer = httpx.get(
        f"http://{HOST}:{site.plain_port}/procedures?tag=a", headers={"Host": "elsewhere.example"}, trust_env=False
    )

    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{NAME}/procedures?tag=a")


def test_reads_and_writes_pass_with_their_tags(site: Site) -> None:
    with site.client("author") as author:
        author.headers["Accept-Encoding"] = "identity"
        made = author.post("/procedures", json=body("behind-nginx"))
        assert made.status_code == HTTPStatus.CREATED
        read = author.get("/procedures/behind-nginx")

        again = author.get("/procedures/behind-nginx", headers={"If-None-Match": read.headers["ETag"]})

    assert read.headers["ETag"] == made.headers["ETag"]
    assert again.status_code == HTTPStatus.NOT_MODIFIED


def test_the_service_knows_that_its_client_came_over_tls(site: Site) -> None:
    with site.client() as client:
        page = client.get("/admin/login/")

    assert page.status_code == HTTPStatus.OK
    assert "Secure" in page.headers["Set-Cookie"]


def test_an_address_that_a_client_claims_is_not_believed(site: Site) -> None:
    claims = {"X-Forwarded-For": CLAIMED_ADDRESS, "Referer": f"https://{NAME}/admin/login/"}
    with site.client(address=CLIENTS_ADDRESS) as client:
        client.get("/admin/login/")
        form = {"username": "nobody-here", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/admin/login/", data=form, headers=claims)

    attempts = run_python("manage", "axes_list_attempts", environment=site.environment)

    assert CLIENTS_ADDRESS in attempts
    assert CLAIMED_ADDRESS not in attempts


def test_what_is_for_prometheus_is_not_for_everybody(site: Site) -> None:
    with site.client() as client:
        assert client.get("/metrics").status_code == HTTPStatus.NOT_FOUND


def test_a_body_beyond_all_bounds_does_not_reach_the_service(site: Site) -> None:
    with site.client("author") as author:
        answer = author.post("/procedures", content=b" " * (2 * 1024 * 1024 + 1))

    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RunReader:
    """Somebody who polls one run, and keeps what was answered.

    Attributes:
        statuses: How often each status was answered.
        shapes: For each fingerprint in an entity tag, how many decimals the instants in its bodies have.
    """

    def __init__(self, client: httpx.Client, path: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.shapes: dict[str, set[int]] = defaultdict(set)
        self._client = client
        self._path = path
        self._bodies: dict[str, bytes] = {}
        self._tag = ""
        self._last_seq = 0

    def read(self) -> None:
        """Ask whether there is something new, and hold the answer against those before it."""
        answer = self._client.get(self._path, headers={"If-None-Match": self._tag, "Accept-Encoding": "identity"})
        self.statuses[answer.status_code] += 1
        if answer.status_code != HTTPStatus.OK:
            return
        self._tag = answer.headers["ETag"]
        assert self._bodies.setdefault(self._tag, answer.content) == answer.content, "one tag for two bodies"
        run = answer.json()
        assert run["last_seq"] >= self._last_seq, "a read went back"
        self._last_seq = run["last_seq"]
        self.shapes[self._tag.strip('"').partition("-")[2]].add(len(run["started_at"].partition(".")[2]) - 1)

    def has_seen(self, *decimals: int) -> bool:
        """Tell whether there were bodies of just these shapes, each under a fingerprint of its own."""
        return sorted(self.shapes.values(), key=min) == [{count} for count in decimals]


def test_while_one_instance_after_the_other_is_upgraded_no_request_fails_and_no_body_is_mistaken(
    site: Site, tmp_path: Path
) -> None:
    next_tree = make_next_tree(tmp_path / "next")
    written: Counter[int] = Counter()
    with site.client("author") as author, site.client("operator") as operator, ExitStack() as stack:
        author.post("/procedures", json=body("upgraded"))
        path = f"/runs/{operator.post('/runs', json={'procedure': 'upgraded'}).json()['id']}"
        readers = [RunReader(stack.enter_context(site.client("viewer")), path) for _ in range(2)]
        verbs = itertools.cycle(["pause", "resume"])

        def write() -> None:
            tags = [f"n-{written.total()}"]
            changed = author.put("/procedures/upgraded", json=body("upgraded", tags=tags), headers={"If-Match": "*"})
            written.update([changed.status_code, operator.post(f"{path}/{next(verbs)}", json={}).status_code])
            clients.ending.wait(0.05)  # a run takes no more than 1,000 events

        def all_have_seen(*decimals: int) -> bool:
            clients.raise_failures()
            return all(reader.has_seen(*decimals) for reader in readers)

        clients = Threads()
        stack.callback(clients.end)
        for work in (write, *(reader.read for reader in readers)):
            clients.start(work)
        first, second = site.instances
        first.upgrade(next_tree)
        eventually(lambda: all_have_seen(3, 6))
        second.upgrade(next_tree)
        for reader in readers:
            reader.shapes.clear()
        eventually(lambda: all_have_seen(6))
        clients.end()
        clients.raise_failures()

    assert written.keys() == {HTTPStatus.OK}
    assert [reader.statuses.keys() - {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED} for reader in readers] == [set(), set()]
