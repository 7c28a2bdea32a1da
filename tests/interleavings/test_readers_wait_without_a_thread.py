"""More readers than there are threads want the body that a request has set out to get.

first    is in Django, and waits for PostgreSQL
others   want the same body: they wait, and hold no thread
passer   wants something else, and is answered
first    is answered, or fails
others   are answered from memory; or set out, all at once
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.db import connection
from pytest_django import Settings

from access.actions import issue_token
from access.roles import Role
from procedures.caches import FINGERPRINT, PROCEDURE_LIST, PROCEDURES
from procedures_project.asgi import Application
from procedures_project.django_pool import DjangoPool, WholeAnswer
from procedures_project.postgresql.waiting import ARRIVED_AT
from tests.conftest import ApiClient
from tests.interleavings.conftest import PATIENCE_SECONDS, Stage
from tests.processes import eventually
from tests.served import Served, ServedClient, served
from versioned_cache.engine import cache
from versioned_cache.http.validators import etag
from versioned_cache.loop_reader import OF_DJANGOS_CONNECTIONS
from versioned_cache.single_flight import LoopFlights
from versioned_cache.versions import committed_version

OTHERS = 2 * settings.DJANGO_THREADS
WAITING_FOR_THE_LOCK = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'procedures_step'::regclass"
CANCELLED = "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'procedures_step'::regclass"

Answer = Future[Any]


class Readers:
    """Reads of the list, each by somebody of their own, and who of them has looked for somebody to wait for."""

    def __init__(self, reader: Callable[[], ApiClient], threads: ThreadPoolExecutor, arrived: list[object]) -> None:
        self.reader = reader
        self._threads = threads
        self._arrived = arrived

    def begin(self, count: int, **headers: str) -> list[Answer]:
        """Let so many read; return when each of them is past its look."""
        awaited = len(self._arrived) + count
        answers = [self._threads.submit(self.reader().get, "/procedures", headers=headers) for _ in range(count)]
        eventually(lambda: len(self._arrived) >= awaited)
        return answers


@pytest.fixture
def application(stage: Stage) -> Iterator[Served]:
    """The whole application."""
    with served(Application(get_wsgi_application())) as running:
        yield running


@pytest.fixture
def reader(application: Served, person: Callable[[Role], User]) -> Callable[[], ApiClient]:
    """Return a client that nobody in the process has met."""
    return lambda: ServedClient(ApiClient(issue_token(user=person(Role.VIEWER), name="race")), application)


@pytest.fixture
def readers(reader: Callable[[], ApiClient], monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    """Those who want the list."""
    arrived: list[object] = []
    another_succeeded = LoopFlights.another_succeeded

    async def note_and_wait(flights: LoopFlights, key: Any, wait_seconds: float) -> bool:
        arrived.append(key)
        return await another_succeeded(flights, key, wait_seconds)

    monkeypatch.setattr(LoopFlights, "another_succeeded", note_and_wait)
    with ThreadPoolExecutor(1 + OTHERS) as threads:
        yield Readers(reader, threads, arrived)


@pytest.fixture
def locked(stage: Stage) -> Iterator[psycopg.Connection[Any]]:
    """A session whose transaction lets nobody read steps."""
    parameters = connection.get_connection_params()
    own = {name: value for name, value in parameters.items() if name not in OF_DJANGOS_CONNECTIONS}
    with psycopg.connect(**own) as session:
        session.execute("LOCK TABLE procedures_step IN ACCESS EXCLUSIVE MODE")
        yield session


def waiting_for_the_lock() -> int:
    """Return how many statements wait for steps."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING_FOR_THE_LOCK)
        return int(cursor.fetchone()[0])


def statuses_of(answers: list[Answer]) -> list[int]:
    """Return the statuses, when all are there."""
    return [answer.result(PATIENCE_SECONDS).status_code for answer in answers]


def test_they_leave_the_threads_to_everybody_else(
    readers: Readers, reader: Callable[[], ApiClient], locked: psycopg.Connection[Any]
) -> None:
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    others = readers.begin(OTHERS)

    assert reader().get("/runs").status_code == 200
    assert not any(answer.done() for answer in (*first, *others))

    locked.rollback()
    assert statuses_of(first + others) == [200] * (1 + OTHERS)
    assert len({answer.result().content for answer in (*first, *others)}) == 1
    assert ["memory" in answer.result()["Server-Timing"] for answer in (*first, *others)] == [False] + [True] * OTHERS


def test_a_known_bearer_is_answered_ahead_of_django(
    readers: Readers, reader: Callable[[], ApiClient], locked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = reader()
    assert known.get("/runs").status_code == 200
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    monkeypatch.setattr(readers, "reader", lambda: known)
    others = readers.begin(OTHERS)

    locked.rollback()
    assert statuses_of(first + others) == [200] * (1 + OTHERS)
    assert not any("Allow" in answer.result() for answer in others)  # which REST framework puts into every answer


def test_the_time_that_they_have_waited_is_not_counted(
    readers: Readers, locked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals: list[float] = []
    answer = DjangoPool.answer

    async def note_and_answer(pool: DjangoPool, environ: dict[str, Any]) -> WholeAnswer:
        arrivals.append(environ[ARRIVED_AT])
        return await answer(pool, environ)

    monkeypatch.setattr(DjangoPool, "answer", note_and_answer)
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    others = readers.begin(1)

    released_at = time.monotonic()
    locked.rollback()
    assert statuses_of(first + others) == [200, 200]
    assert [arrived_at > released_at for arrived_at in arrivals] == [False, True]


def test_where_the_first_fails_they_set_out(readers: Readers, locked: psycopg.Connection[Any]) -> None:
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    others = readers.begin(OTHERS)

    locked.execute(CANCELLED)
    assert statuses_of(first) == [503]
    eventually(lambda: waiting_for_the_lock() >= 1)  # some of the others are in Django now

    locked.rollback()
    assert statuses_of(others) == [200] * OTHERS


def test_whoever_wants_another_coding_sets_out_too(readers: Readers, locked: psycopg.Connection[Any]) -> None:
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    others = readers.begin(2, **{"Accept-Encoding": "gzip"})

    locked.rollback()
    assert statuses_of(first + others) == [200] * 3
    assert [answer.result().get("Content-Encoding") for answer in (*first, *others)] == [None, "gzip", "gzip"]


@pytest.fixture
def short_queue(settings: Settings) -> None:
    """Nobody may wait for a thread."""
    settings.DJANGO_QUEUE_LENGTH = 0


@pytest.mark.usefixtures("short_queue")
def test_more_of_them_may_wait_than_the_queue_for_threads_holds(
    readers: Readers, locked: psycopg.Connection[Any]
) -> None:
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    others = readers.begin(OTHERS)

    locked.rollback()
    assert statuses_of(first + others) == [200] * (1 + OTHERS)


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """What the first request waits for, behind the gate, before it gets a thread."""
    may_go_on = Event()
    answer = DjangoPool.answer

    async def wait_and_answer(pool: DjangoPool, environ: dict[str, Any]) -> WholeAnswer:
        monkeypatch.setattr(DjangoPool, "answer", answer)
        await asyncio.to_thread(may_go_on.wait, PATIENCE_SECONDS)
        return await answer(pool, environ)

    monkeypatch.setattr(DjangoPool, "answer", wait_and_answer)
    yield may_go_on
    may_go_on.set()


def test_no_read_waits_for_another_if_the_body_is_in_memory(reader: Callable[[], ApiClient], held_up: Event) -> None:
    cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(reader().get, "/procedures")
        eventually(lambda: DjangoPool.answer.__name__ == "answer")

        assert reader().get("/procedures").status_code == 200
        assert not first.done()

        held_up.set()
        assert first.result(PATIENCE_SECONDS).status_code == 200


def test_no_read_waits_for_one_whose_client_has_the_version(
    readers: Readers, reader: Callable[[], ApiClient], locked: psycopg.Connection[Any], held_up: Event
) -> None:
    cache.bump([PROCEDURE_LIST])
    tag = etag(committed_version(PROCEDURE_LIST) or 0, FINGERPRINT)
    with ThreadPoolExecutor(1) as thread:
        knowing = thread.submit(reader().get, "/procedures", headers={"If-None-Match": tag})
        eventually(lambda: DjangoPool.answer.__name__ == "answer")
        others = readers.begin(OTHERS)
        eventually(lambda: waiting_for_the_lock() == 1)

        held_up.set()
        assert knowing.result(PATIENCE_SECONDS).status_code == 304
    assert reader().get("/runs").status_code == 200
    assert not any(answer.done() for answer in others)

    locked.rollback()
    assert statuses_of(others) == [200] * OTHERS


def test_a_waiting_read_is_refused_if_its_bearer_may_not_read(
    readers: Readers, application: Served, locked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = User.objects.create(username="without-a-role")
    token = issue_token(user=nobody, name="race")
    first = readers.begin(1)
    eventually(lambda: waiting_for_the_lock() == 1)
    monkeypatch.setattr(readers, "reader", lambda: ServedClient(ApiClient(token), application))
    others = readers.begin(2)

    locked.rollback()
    assert statuses_of(first + others) == [200, 403, 403]
