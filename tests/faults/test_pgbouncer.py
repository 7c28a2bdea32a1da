"""The whole service behind PgBouncer in transaction mode: each transaction may meet another session of the server."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from procedures_project import embedded
from procedures_project.embedded import HOST, embedded_servers, start_child
from tests.factories import body, step
from tests.faults.services import Service, answers, serving
from tests.people import ADMIN_PASSWORD
from tests.processes import eventually, free_port

PGBOUNCER = shutil.which("pgbouncer")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed: apt-get install pgbouncer")

SESSIONS = 3  # fewer than the service has threads
STEPS = ["one", "two", "three"]

CONFIGURATION = """
[databases]
procedures = host={host} port={server_port} dbname=procedures
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
logfile = {folder}/log
pidfile =
"""


class Pooled:
    """A service behind a pooler, and the database that it pools."""

    def __init__(self, service: Service, database_url: str, log: Path) -> None:
        self.service = service
        self.database_url = database_url
        self.log = log


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    """A service behind PgBouncer as Debian has it, but for the mode. It migrates through it, too."""
    folder = tmp_path_factory.mktemp("pgbouncer")
    with ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(folder / "servers", durable=False))
        parameters = psycopg.conninfo.conninfo_to_dict(servers.database_url)
        port, account = free_port(), embedded.account_instead_of_root()
        settings = CONFIGURATION.format(
            host=HOST, server_port=parameters["port"], port=port, folder=folder, sessions=SESSIONS
        )
        (folder / "ini").write_text(settings, encoding="utf-8")
        (folder / "users").write_text(f'"procedures" "{parameters["password"]}"\n', encoding="utf-8")
        (folder / "log").touch()
        if account:
            for path in (folder, *(folder / name for name in ("ini", "users", "log"))):
                os.chown(path, account.uid, account.gid)
        pgbouncer = start_child(
            [str(PGBOUNCER), str(folder / "ini")],
            end_signal=signal.SIGTERM, account=account, output=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(pgbouncer.wait, 10)
        stack.callback(pgbouncer.terminate)
        eventually(lambda: answers(port))
        url = psycopg.conninfo.make_conninfo(servers.database_url, host=HOST, port=port)
        # The image's way: migrations go the way of the service.
        service = stack.enter_context(serving(folder, url, DATABASE_URL=url, REDIS_URL=servers.redis_url))
        yield Pooled(service, servers.database_url, folder / "log")


@pytest.fixture
def service(pooled: Pooled) -> Service:
    """The service."""
    return pooled.service


@pytest.fixture
def key(service: Service) -> str:
    """A procedure of its own for each test."""
    key = f"test-{secrets.token_hex(6)}"
    created = service.post("/procedures", body(key, ordering="any", steps=[step(name) for name in STEPS]))
    assert created.status_code == 201, created.text
    return key


def start(service: Service, key: str) -> str:
    """Start a run, and return its path."""
    answer = service.post("/runs", {"procedure": key})
    assert answer.status_code == 201, answer.text
    return f"/runs/{answer.json()['id']}"


def test_reads_and_writes_of_many_at_once_are_answered(service: Service, key: str) -> None:
    runs = [start(service, key) for _ in range(4)]

    def work(run: str) -> set[int]:
        done = [service.post(f"{run}/steps/{name}/commit", {}) for name in STEPS]
        read = [service.get(path) for path in (run, f"{run}/current", "/runs", "/procedures", f"/procedures/{key}")]
        return {answer.status_code for answer in (*done, *read)}

    with ThreadPoolExecutor(len(runs)) as threads:
        statuses = set.union(*threads.map(work, runs))

    assert statuses == {200, 201}
    assert {service.get(run).json()["status"] for run in runs} == {"completed"}


def sqlstates_in(log: Path) -> list[str | None]:
    """Return how PostgreSQL has failed so far, as the log says it."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["sqlstate"] for line in lines if '"database_unavailable"' in line]


def test_a_lock_is_waited_for_as_long_as_without_a_pooler(service: Service, key: str, pooled: Pooled) -> None:
    run = start(service, key)

    with psycopg.connect(pooled.database_url) as connection:
        connection.execute("SELECT FROM runs_run WHERE id = %s FOR UPDATE", [run.rpartition("/")[2]])
        refused = service.post(f"{run}/steps/one/commit", {})

    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
    # Were the timeout not in force, the request's own patience would have ended, which has no SQLSTATE.
    assert eventually(lambda: sqlstates_in(service.granian.log_path))[-1] == "55P03"
    assert service.post(f"{run}/steps/one/commit", {}).status_code == 201


def test_what_one_transaction_sets_no_other_finds(pooled: Pooled, service: Service, key: str) -> None:
    start(service, key)

    with psycopg.connect(psycopg.conninfo.make_conninfo(service.environment["DATABASE_URL"])) as connection:
        found = {connection.execute("SELECT current_setting('lock_timeout')").fetchone() for _ in range(SESSIONS)}

    assert found == {("0",)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["migrate", "--check"], ""),
        (["check", "--database", "default"], "no issues"),
        (["check_database"], "No faults."),
        (["verify_ledger"], "No faults"),
        (["export_procedures"], '"procedures"'),
        (["audit_cache"], ""),
        (["inspect_cache", "procedures:list"], "procedures:list"),
        (["bump_cache", "--all"], "umped"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_operators_command_works(service: Service, key: str, arguments: list[str], expected: str) -> None:
    start(service, key)

    assert expected in service.command(*arguments)


def test_people_log_in_and_read_in_the_admin(service: Service, key: str) -> None:
    with httpx.Client(base_url=service.base_url, trust_env=False, follow_redirects=True, timeout=30) as browser:
        form = browser.get("/admin/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        assert token is not None
        entered = browser.post(
            "/admin/login/?next=/admin/",
            data={"username": "admin", "password": ADMIN_PASSWORD, "csrfmiddlewaretoken": token[1]},
        )
        pages = [browser.get(path) for path in ("/admin/procedures/procedure/", "/admin/runs/run/")]

    assert entered.url.path == "/admin/", entered.text[:500]
    assert {page.status_code for page in pages} == {200}
    assert key in pages[0].text


def test_a_pooler_that_loses_its_server_costs_no_more_than_that(service: Service, key: str, pooled: Pooled) -> None:
    run = start(service, key)
    with psycopg.connect(pooled.database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    seen: list[Any] = [service.get(f"{run}/current") for _ in range(8)]

    assert {answer.status_code for answer in seen} <= {200, 503}
    assert all("Retry-After" in answer.headers for answer in seen if answer.status_code == 503)
    eventually(lambda: service.post(f"{run}/steps/one/commit", {}).status_code in {201, 409})


def test_the_pooler_had_nothing_to_complain_about(service: Service, key: str, pooled: Pooled) -> None:
    start(service, key)

    complaints = [line for line in pooled.log.read_text(encoding="utf-8").splitlines() if "unsupported" in line]

    assert complaints == []
