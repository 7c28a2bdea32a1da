"""How far a request travels: the number of our files that it runs through, from the server's call to the answer.

Middleware, logging and metrics count; libraries do not. Every file is one more place to look when something is wrong,
so their number has a bound. If more files are truly clearer, the bound moves and an ADR says why.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.conf import settings

from procedures_project.asgi import application
from tests import factories
from tests.conftest import ApiClient
from tests.served import ServedClient, served

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGES = ("procedures_project", "runs", "procedures", "versioned_cache", "access", "rest")
HIT, MISS_OF_A_RUN, COMMIT = 18, 33, 46
BESIDE_THE_REQUESTS = {"readiness.py", "listener.py"}  # tasks of their own, which happen to run meanwhile


class Trail:
    """The files whose code ran, in threads that started after this was installed."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note a call (`threading.setprofile`)."""
        if event == "call":
            self._files.add(frame.f_code.co_filename)

    def behind(self, request: Callable[[], Any]) -> list[str]:
        """Return our files whose code ran during a request."""
        self._files.clear()
        request()
        paths = (Path(name) for name in sorted(self._files))
        own = (path.relative_to(settings.BASE_DIR) for path in paths if path.is_relative_to(settings.BASE_DIR))
        return [path.as_posix() for path in own if path.parts[0] in PACKAGES and path.name not in BESIDE_THE_REQUESTS]


@pytest.fixture
def trail() -> Iterator[Trail]:
    """The trail of the application's threads."""
    trail = Trail()
    threading.setprofile(trail)
    yield trail
    threading.setprofile(None)


@pytest.fixture
def client(trail: Trail, operator: ApiClient) -> Iterator[ServedClient]:
    """An operator's client of the whole application."""
    with served(application) as running:
        yield ServedClient(operator, running)


@pytest.fixture
def run_path(client: ServedClient) -> str:
    """The path of a run of one plain step."""
    factories.publish(factories.body("far"))
    return str(client.post("/runs", {"procedure": "far"}).headers["Location"])


def check(what: str, files: list[str], bound: int) -> None:
    """Print the files, and compare their number with the bound."""
    print(f"\n{what}: {len(files)} files\n  " + "\n  ".join(files))  # noqa: T201  # this is what `pytest -s` shows
    assert len(files) <= bound


def test_a_hit_runs_through_few_files(trail: Trail, client: ServedClient) -> None:
    factories.publish(factories.body("far"))
    for _ in range(3):
        assert client.get("/procedures").status_code == 200

    check("hit", trail.behind(lambda: client.get("/procedures")), HIT)


def test_a_miss_of_a_run_runs_through_few_files(trail: Trail, client: ServedClient, run_path: str) -> None:
    client.get(run_path)
    client.post(f"{run_path}/pause", {})

    check("a run's miss", trail.behind(lambda: client.get(run_path)), MISS_OF_A_RUN)


def test_a_commit_runs_through_few_files(trail: Trail, client: ServedClient, run_path: str) -> None:
    client.post(f"{run_path}/pause", {})
    client.post(f"{run_path}/resume", {})
    answers: list[Any] = []

    files = trail.behind(lambda: answers.append(client.post(f"{run_path}/steps/measure/commit", {})))

    assert [answer.status_code for answer in answers] == [201]
    check("commit", files, COMMIT)
