"""How far a request travels: the number of our files that it runs through, from the server's call to the answer.

Middleware, logging and metrics count; libraries do not. Every file is one more place to look when something is wrong,
so their number has a bound. If more files are truly clearer, the bound moves and an ADR says why.
"""

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
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
HIT, MISS_OF_A_RUN, COMMIT = 23, 42, 53
STEPS = ("measure", "incubate", "weigh")
# The shortest of so many ways counts: on a busy machine a request may go around a Redis that is late.
TIMES = len(STEPS)
THREADS_BESIDE = ("log lines", "readiness", "redis")  # what they do is for all requests and for none

_is_beside: ContextVar[bool] = ContextVar("is_beside", default=False)


async def watched(scope: Any, receive: Any, send: Any) -> None:
    """The application, whose tasks of its own are known from what requests begin by the context that they copy."""
    _is_beside.set(scope["type"] == "lifespan")
    await application(scope, receive, send)


def is_thread_beside() -> bool:
    """Tell whether this thread works for no request."""
    return threading.current_thread().name.startswith(THREADS_BESIDE)


class Trail:
    """The files whose code ran for requests, in threads that started after this was installed."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note a call (`threading.setprofile`)."""
        if event == "call" and not _is_beside.get() and not is_thread_beside():
            self._files.add(frame.f_code.co_filename)

    def behind(self, request: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> list[str]:
        """Return our files whose code ran during a request, made `TIMES` times, when there were fewest.

        Args:
            request: Makes it.
            before: Makes what each of them needs.
        """
        trails = []
        for _ in range(TIMES):
            before()
            self._files.clear()
            request()
            trails.append(self._own())
        return min(trails, key=len)

    def _own(self) -> list[str]:
        paths = (Path(name) for name in sorted(self._files))
        own = (path.relative_to(settings.BASE_DIR) for path in paths if path.is_relative_to(settings.BASE_DIR))
        return [path.as_posix() for path in own if path.parts[0] in PACKAGES]


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trail]:
    """The trail of the application's threads."""
    monkeypatch.setattr(
        "procedures_project.asgi.WRITE_SECONDS", 3_600
    )  # what it does then, it does in Django's threads
    trail = Trail()
    threading.setprofile(trail)
    yield trail
    threading.setprofile(None)


@pytest.fixture
def client(trail: Trail, operator: ApiClient) -> Iterator[ServedClient]:
    """An operator's client of the whole application."""
    with served(watched) as running:
        yield ServedClient(operator, running)


@pytest.fixture
def run_path(client: ServedClient) -> str:
    """The path of a run of plain steps."""
    factories.publish(factories.body("far", [factories.step(key) for key in STEPS]))
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
    verbs = iter(["pause", "resume", "pause"])
    client.get(run_path)

    files = trail.behind(lambda: client.get(run_path), before=lambda: client.post(f"{run_path}/{next(verbs)}", {}))

    assert "runs/bodies.py" in files
    check("a run's miss", files, MISS_OF_A_RUN)


def test_a_commit_runs_through_few_files(trail: Trail, client: ServedClient, run_path: str) -> None:
    steps = iter(STEPS)
    answers: list[Any] = []

    files = trail.behind(lambda: answers.append(client.post(f"{run_path}/steps/{next(steps)}/commit", {})))

    assert [answer.status_code for answer in answers] == [201] * TIMES
    check("commit", files, COMMIT)
