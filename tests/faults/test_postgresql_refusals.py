"""Whatever PostgreSQL refuses: 503 while it lasts, nothing is half done, and all is well as soon as it is over."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from tests.processes import eventually
from tests.system.demo import Demo

SESSIONS = 8  # of two workers with four threads each
ATTEMPTS = 24
OTHERS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"

REFUSALS = [
    "25006", "25P03", "25P04", "40001", "40P01", "53000", "53100", "53200", "53400", "55006", "55P03", "57014", "57P05",
    "58000", "58030",
]  # fmt: skip
FAULTS = ["22012", "23514", "42P01", "XX000", "XX001"]

TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON runs_run DEFERRABLE INITIALLY {when}
    FOR EACH ROW EXECUTE FUNCTION refuse();
"""
NO_TRIGGER = "DROP TRIGGER refuse ON runs_run; DROP FUNCTION refuse()"

Operator = psycopg.Connection[Any]
Fault = Callable[[Operator], contextlib.AbstractContextManager[None]]


@pytest.fixture
def operator(demo: Demo) -> Iterator[Operator]:
    """Somebody at psql, in another database, who may write whatever others may."""
    parameters = psycopg.conninfo.conninfo_to_dict(demo.services["database_url"])
    own = parameters | {"dbname": "postgres", "options": "-c default_transaction_read_only=off"}
    with psycopg.connect(**own, autocommit=True) as connection:  # type: ignore[arg-type]  # of several types
        yield connection


def start(demo: Demo, procedure_key: str) -> httpx.Response:
    """Start a run."""
    return demo.client("operator").post("/runs", json={"procedure": procedure_key})


def verdict(response: httpx.Response) -> tuple[int, str, str | None]:
    """Return an error's status and type, and when to try again."""
    return response.status_code, response.json()["type"], response.headers.get("Retry-After")


UNAVAILABLE = (503, "/problems/unavailable", "1")
OUTCOME_UNKNOWN = (503, "/problems/outcome-unknown", "1")
INTERNAL_ERROR = (500, "/problems/internal-error", None)


def run_ids(demo: Demo) -> list[str]:
    """Return the latest runs."""
    return [run["id"] for run in demo.read("/runs?limit=200")["runs"]]


def cut(operator: Operator) -> None:
    """End all other sessions, so that new ones meet the fault; those that are under way too."""
    eventually(lambda: operator.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}").rowcount == 0)


@contextlib.contextmanager
def changed(operator: Operator, change: str, back: str) -> Iterator[None]:
    """Change something about the role, the database or the server, and change it back."""
    operator.execute(change)
    try:
        yield
    finally:
        operator.execute(back)


# What a statement or a COMMIT meets


@contextlib.contextmanager
def starting_a_run(demo: Demo, what: str, *, deferred: bool) -> Iterator[None]:
    """Let something happen when a run is started."""
    with psycopg.connect(demo.services["database_url"], autocommit=True) as connection:
        connection.execute(TRIGGER.format(what=what, when="DEFERRED" if deferred else "IMMEDIATE"))
        try:
            yield
        finally:
            connection.execute(NO_TRIGGER)


@pytest.mark.parametrize("deferred", [False, True], ids=["at once", "deferred"])
@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [*((code, UNAVAILABLE) for code in REFUSALS), *((code, INTERNAL_ERROR) for code in FAULTS)],
)
def test_a_refusal_is_announced_and_writes_nothing(
    demo: Demo, procedure_key: str, sqlstate: str, expected: tuple[Any, ...], deferred: bool
) -> None:
    before = run_ids(demo)

    with starting_a_run(demo, f"RAISE EXCEPTION 'refused' USING ERRCODE = '{sqlstate}'", deferred=deferred):
        refused = start(demo, procedure_key)

    assert verdict(refused) == expected
    assert run_ids(demo) == before
    assert start(demo, procedure_key).status_code == 201


def test_a_session_that_ends_before_commit_has_done_nothing(demo: Demo, procedure_key: str) -> None:
    before = run_ids(demo)

    with starting_a_run(demo, "PERFORM pg_terminate_backend(pg_backend_pid())", deferred=True):
        refused = start(demo, procedure_key)

    assert verdict(refused) == UNAVAILABLE
    assert run_ids(demo) == before
    assert start(demo, procedure_key).status_code == 201


def test_of_a_session_that_ends_at_commit_the_outcome_is_unknown(
    demo: Demo, procedure_key: str, operator: Operator
) -> None:
    before = run_ids(demo)
    committing = f"SELECT pg_terminate_backend(pid) {OTHERS} AND wait_event = 'SyncRep'"
    setting = "ALTER SYSTEM {} synchronous_standby_names"
    with (
        changed(operator, f"{setting.format('SET')} = 'nobody'", setting.format("RESET")),
        ThreadPoolExecutor(1) as thread,
    ):
        operator.execute("SELECT pg_reload_conf()")
        starting = thread.submit(start, demo, procedure_key)
        eventually(lambda: operator.execute(committing).rowcount == 1)
        refused = starting.result()
    operator.execute("SELECT pg_reload_conf()")

    assert verdict(refused) == OUTCOME_UNKNOWN
    assert len({*run_ids(demo)} - {*before}) == 1
    assert start(demo, procedure_key).status_code == 201


@pytest.mark.parametrize("ended_by", ["lock_timeout", "statement_timeout", "pg_terminate_backend"])
def test_a_statement_that_waits_is_ended_and_has_done_nothing(
    demo: Demo, procedure_key: str, operator: Operator, ended_by: str
) -> None:
    waiting = f"SELECT pg_terminate_backend(pid) {OTHERS} AND wait_event_type = 'Lock'"
    cancelled = waiting.replace("terminate", "cancel")  # as the timeout does it, but only when the statement waits
    with psycopg.connect(demo.services["database_url"]) as connection, ThreadPoolExecutor(1) as thread:
        connection.execute("LOCK TABLE runs_run IN EXCLUSIVE MODE")
        starting = thread.submit(start, demo, procedure_key)
        if ended_by != "lock_timeout":
            end = cancelled if ended_by == "statement_timeout" else waiting
            eventually(lambda: operator.execute(end).rowcount == 1)  # a transaction sees no others that come later
        assert verdict(starting.result()) == UNAVAILABLE

    assert start(demo, procedure_key).status_code == 201


# What a new session meets


@contextlib.contextmanager
def another_password(operator: Operator) -> Iterator[None]:
    role = "ALTER ROLE procedures PASSWORD '{}'"
    with changed(operator, role.format("another"), role.format(operator.info.password)):
        cut(operator)
        yield


@contextlib.contextmanager
def no_connections(operator: Operator) -> Iterator[None]:
    database = "ALTER DATABASE procedures ALLOW_CONNECTIONS {}"
    with changed(operator, database.format("false"), database.format("true")):
        cut(operator)
        yield


@contextlib.contextmanager
def renamed_database(operator: Operator) -> Iterator[None]:
    def renamed() -> bool:
        cut(operator)
        with contextlib.suppress(psycopg.errors.ObjectInUse):  # somebody was quicker
            operator.execute("ALTER DATABASE procedures RENAME TO elsewhere")
            return True
        return False

    eventually(renamed)
    try:
        yield
    finally:
        operator.execute("ALTER DATABASE elsewhere RENAME TO procedures")


@contextlib.contextmanager
def too_many_connections(operator: Operator) -> Iterator[None]:
    parameters = psycopg.conninfo.conninfo_to_dict(operator.info.dsn) | {"password": operator.info.password}
    parameters |= {"application_name": "filler"}
    services = f"{OTHERS} AND application_name <> 'filler'"
    with contextlib.ExitStack() as stack:

        def none_is_left() -> bool:
            operator.execute(f"SELECT pg_terminate_backend(pid) {services}")
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(**parameters))  # type: ignore[arg-type]  # of several types
            return operator.execute(f"SELECT {services}").rowcount == 0

        eventually(none_is_left)
        yield


@pytest.mark.parametrize(
    "fault",
    [another_password, no_connections, renamed_database, too_many_connections],
    ids=lambda fault: fault.__name__,
)
def test_a_server_that_takes_no_session_is_unavailable_until_it_does(
    demo: Demo, procedure_key: str, operator: Operator, fault: Fault
) -> None:
    with fault(operator):
        answers = [start(demo, procedure_key), demo.get("/runs"), demo.get(f"/procedures/{procedure_key}/revisions")]
        readiness = eventually(lambda: is_down(demo))

    assert [verdict(answer) for answer in answers] == [UNAVAILABLE] * 3
    assert readiness == {"status": "unavailable", "postgresql": "down", "redis": "ok"}
    assert {start(demo, procedure_key).status_code for _ in range(ATTEMPTS)} == {201}


def is_down(demo: Demo) -> Any:
    """Return what /readyz says as soon as it has noticed."""
    found = demo.client(None).get("/readyz").json()
    return found if found["postgresql"] == "down" else None


# A server that takes no writes


@contextlib.contextmanager
def read_only(operator: Operator) -> Iterator[None]:
    role = "ALTER ROLE procedures {} default_transaction_read_only"
    with changed(operator, f"{role.format('SET')} = on", role.format("RESET")):
        yield


def test_a_server_that_takes_no_writes_is_read(demo: Demo, procedure_key: str, operator: Operator) -> None:
    with read_only(operator):
        cut(operator)
        writes = [start(demo, procedure_key), demo.put_procedure(procedure_key, title="Better")]
        reads = [demo.get(path) for path in ("/procedures", "/runs", f"/procedures/{procedure_key}")] * 8
        found = eventually(lambda: says_read_only(demo))

    assert [verdict(write) for write in writes] == [UNAVAILABLE] * 2
    assert {read.status_code for read in reads} == {200}
    assert found == (200, {"status": "degraded", "postgresql": "read-only", "redis": "ok"})
    eventually(lambda: demo.client(None).get("/readyz").json()["status"] == "ok")


def says_read_only(demo: Demo) -> tuple[int, Any] | None:
    """Return what /readyz says as soon as it has noticed."""
    response = demo.client(None).get("/readyz")
    return (response.status_code, response.json()) if response.json()["postgresql"] == "read-only" else None


def test_each_session_fails_once_at_most_after_the_server_takes_writes_again(
    demo: Demo, procedure_key: str, operator: Operator
) -> None:
    with read_only(operator):
        cut(operator)
        for _ in range(ATTEMPTS):  # so that each thread has a session that takes no writes
            demo.get("/runs")

    answers = [start(demo, procedure_key) for _ in range(ATTEMPTS)]

    failed = [answer for answer in answers if answer.status_code != 201]
    assert len(failed) <= SESSIONS
    assert {verdict(answer) for answer in failed} <= {UNAVAILABLE}


# What goes on meanwhile


def test_sessions_that_the_server_ends_when_they_are_idle_are_not_missed(
    demo: Demo, procedure_key: str, operator: Operator
) -> None:
    role = "ALTER ROLE procedures {} idle_session_timeout"
    with changed(operator, f"{role.format('SET')} = '300ms'", role.format("RESET")):
        operator.execute("SET idle_session_timeout = 0")
        cut(operator)
        answers = []
        for _ in range(4):
            answers += [demo.get("/runs"), start(demo, procedure_key)]
            eventually(lambda: operator.execute(f"SELECT {OTHERS}").rowcount == 0)

    assert {answer.status_code for answer in answers} == {200, 201}


def test_a_migration_makes_no_statement_useless(demo: Demo, procedure_key: str) -> None:
    """Of a prepared statement, PostgreSQL would say: cached plan must not change result type."""
    run_id = demo.start_run(procedure_key)
    retype = "ALTER TABLE runs_run ALTER COLUMN end_reason TYPE {}"  # no trigger names it

    def used() -> list[httpx.Response]:
        return [
            answer
            for _ in range(ATTEMPTS)
            for answer in (demo.get(f"/runs/{run_id}/current"), demo.get("/runs"), start(demo, procedure_key))
        ]

    with psycopg.connect(demo.services["database_url"], autocommit=True) as connection:
        before = used()
        connection.execute(retype.format("varchar(4000)"))
        try:
            after = used()
        finally:
            connection.execute(retype.format("text"))

    assert {answer.status_code for answer in [*before, *after]} == {200, 201}
