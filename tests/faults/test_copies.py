"""Copies of a database: whatever way they were made, triggers fire in them, and what they lack is found.

One way is that of docs/operations/backup.md, whose commands are run.
"""

import re
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from procedures_project.embedded import embedded_servers
from tests import PROJECT_DIR
from tests.factories import body
from tests.faults.services import Service, restarted, serving
from tests.processes import eventually, run_python

REPLICA = {"PGOPTIONS": "-c session_replication_role=replica"}
PAGE = (PROJECT_DIR / "docs" / "operations" / "backup.md").read_text(encoding="utf-8")
BACK_UP, LOAD, LOOK = map(textwrap.dedent, re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE))


class Source:
    """A database with a procedure and a run in it, the server that it is in, and the service that works with it.

    Attributes:
        run_path: Where the run is.
    """

    def __init__(self, url: str, binaries: Path, folder: Path, service: Service, run_path: str) -> None:
        self.url = url
        self.folder = folder
        self._binaries = binaries
        self.service = service
        self.environment = service.environment
        self.run_path = run_path

    def tool(self, name: str, *arguments: str, **variables: str) -> None:
        """Run one of PostgreSQL's programs."""
        subprocess.run(
            [self._binaries / name, *arguments], check=True, capture_output=True, env={"LC_ALL": "C"} | variables
        )

    def paste(self, *commands: str, **variables: str) -> str:
        """Run commands of a document, and return what they print."""
        programs = [str(Path(sys.executable).parent), str(self._binaries), "/usr/bin", "/bin"]
        pasted = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join(commands)],
            cwd=PROJECT_DIR, env=self.environment | {"PATH": ":".join(programs)} | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert pasted.returncode == 0, pasted.stderr
        return pasted.stdout

    def new_database(self) -> str:
        """Make an empty database in the same server, and return its URL."""
        name = f"copy_{secrets.token_hex(4)}"
        execute(self.url, f"CREATE DATABASE {name}")
        return psycopg.conninfo.make_conninfo(self.url, dbname=name)

    def command(self, url: str, *arguments: str) -> tuple[int, list[str]]:
        """Run an operator's command on a database, and return its exit code and what it prints."""
        process = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT_DIR, env=self.environment | {"DATABASE_URL": url}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return process.returncode, process.stdout.splitlines()


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, and return the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """A database that the service has worked with."""
    folder = tmp_path_factory.mktemp("copies")
    with ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(folder / "servers", durable=False))
        servers.postgres.stop()
        postgres = restarted(servers.postgres, "--wal_level=logical")
        stack.callback(postgres.stop)
        urls = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
        with serving(folder, servers.database_url, **urls) as service:
            assert service.post("/procedures", body("gibson")).status_code == 201
            path = f"/runs/{service.post('/runs', {'procedure': 'gibson'}).json()['id']}"
            assert service.post(f"{path}/steps/measure/commit", {}).status_code == 201
            yield Source(servers.database_url, Path(servers.postgres.argv[0]).parent, folder, service, path)


def plain(source: Source, copy: str) -> None:
    file = str(source.folder / secrets.token_hex(4))
    source.tool("pg_dump", "-f", file, source.url)
    source.tool("psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", file, copy)


def custom(source: Source, copy: str, *options: str, **variables: str) -> None:
    file = str(source.folder / secrets.token_hex(4))
    source.tool("pg_dump", "-Fc", "-f", file, source.url)
    source.tool("pg_restore", "--exit-on-error", *options, "-d", copy, file, **variables)


def parallel(source: Source, copy: str) -> None:
    directory = str(source.folder / secrets.token_hex(4))
    source.tool("pg_dump", "-Fd", "-j", "2", "-f", directory, source.url)
    source.tool("pg_restore", "--exit-on-error", "-j", "2", "-d", copy, directory)


def clean(source: Source, copy: str) -> None:
    custom(source, copy)
    custom(source, copy, "--clean", "--if-exists")


def sections(source: Source, copy: str) -> None:
    for section in ("pre-data", "data", "post-data"):
        custom(source, copy, f"--section={section}")


def data_alone(source: Source, copy: str) -> None:
    custom(source, copy, "--schema-only")
    custom(source, copy, "--data-only", "--single-transaction", **REPLICA)


def without_triggers(source: Source, copy: str) -> None:
    custom(source, copy, "--schema-only")
    custom(source, copy, "--data-only", "--disable-triggers")


VERSIONS = "SELECT resource, version FROM resource_version"
EVENTS = "SELECT run_id, seq, hash FROM runs_runevent ORDER BY 1, 2"


def assert_alive(source: Source, copy: str) -> None:
    """Check that a copy is whole, that its triggers fire for whoever writes, and that versions go on at the clock."""
    before = dict(execute(copy, VERSIONS))
    execute(copy, "SET search_path = ''", "UPDATE public.procedures_procedure SET updated_at = now()")
    after = dict(execute(copy, VERSIONS))

    assert {name for name in after if after[name] > before[name]} == {"procedures:list", "procedures:procedure:gibson"}
    assert after["procedures:list"] > dict(execute(source.url, VERSIONS))["procedures:list"] + 1_000
    with pytest.raises(psycopg.errors.RestrictViolation, match="never changes"):
        execute(copy, "SET search_path = ''", "UPDATE public.runs_runevent SET note = 'forged'")
    assert execute(copy, EVENTS) == execute(source.url, EVENTS)


@pytest.mark.parametrize(
    "restore", [plain, custom, parallel, clean, sections, data_alone], ids=lambda restore: restore.__name__
)
def test_a_restored_copy_lacks_nothing(source: Source, restore: Callable[[Source, str], None]) -> None:
    copy = source.new_database()

    restore(source, copy)

    assert source.command(copy, "check_database") == (0, ["No faults."])
    assert_alive(source, copy)


def test_after_the_documented_restore_the_service_shows_what_was_backed_up_and_no_later_body(
    source: Source, tmp_path: Path
) -> None:
    restored_url = psycopg.conninfo.make_conninfo(source.url, dbname="procedures_restored")
    variables = {"BACKUP": str(tmp_path / "dump"), "RESTORED_URL": restored_url}
    kept = source.service.get(source.run_path).content

    said = source.paste(BACK_UP, **variables)
    assert source.service.post(f"{source.run_path}/steps/incubate/commit", {}).status_code == 201
    assert source.service.get(source.run_path).json()["last_seq"] == 3
    said_of_the_copy = source.paste(LOAD, LOOK, **variables)

    assert said.startswith("No faults. Runs checked: 1, events: 2.")
    assert said_of_the_copy.endswith(said)
    stores = {"DATABASE_URL": restored_url, "REDIS_URL": source.environment["REDIS_URL"]}
    with serving(tmp_path, restored_url, **stores) as service:
        assert service.get(source.run_path).content == kept


def test_what_disable_triggers_leaves_behind_is_found_and_mended(source: Source) -> None:
    copy = source.new_database()

    without_triggers(source, copy)

    code, faults = source.command(copy, "check_database")
    assert code == 1
    assert "trigger event_is_append_only on runs_runevent: fires not for replication" in faults
    assert len(faults) > 15
    assert source.command(copy, "check_database", "--mend")[0] == 0
    assert source.command(copy, "check_database") == (0, ["No faults."])
    assert_alive(source, copy)


def test_half_a_restore_is_found(source: Source) -> None:
    copy = source.new_database()
    for section in ("pre-data", "data"):
        custom(source, copy, f"--section={section}")

    code, faults = source.command(copy, "check_database")

    assert code == 1
    assert "primary key of runs_run: missing" in faults
    assert "event_seq_is_unique_in_its_run of runs_runevent: missing" in faults
    assert "trigger run_raises_version on runs_run: missing" in faults


def test_an_empty_database_is_told_to_be_migrated(source: Source) -> None:
    code, faults = source.command(source.new_database(), "check_database")

    assert code == 1
    assert "migration runs.0001_initial: not applied" in faults


@pytest.fixture
def subscriber(source: Source) -> Iterator[str]:
    """A database that subscribes to every table but the versions, which are its own."""
    copy = source.new_database()
    custom(source, copy, "--schema-only")
    name = psycopg.conninfo.conninfo_to_dict(copy)["dbname"]
    tables = execute(
        source.url,
        "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
        " WHERE schemaname = 'public' AND tablename <> 'resource_version'",
    )[0][0]
    execute(source.url, f"CREATE PUBLICATION {name} FOR TABLE {tables}")
    execute(source.url, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
    execute(
        copy,
        f"CREATE SUBSCRIPTION {name} CONNECTION '{source.url}' PUBLICATION {name}"
        f" WITH (create_slot = false, slot_name = '{name}')",
    )
    try:
        yield copy
    finally:
        execute(copy, f"DROP SUBSCRIPTION {name}")
        execute(source.url, f"DROP PUBLICATION {name}")


def test_a_subscriber_has_everything_and_its_own_versions(source: Source, subscriber: str) -> None:
    events = "SELECT count(*) FROM runs_runevent"
    eventually(lambda: execute(subscriber, events) == execute(source.url, events), 30)
    eventually(lambda: source.command(subscriber, "check_database") == (0, ["No faults."]), 60)
    versions = "SELECT version FROM resource_version WHERE resource = 'procedures:list'"
    before = execute(subscriber, versions)

    execute(source.url, "UPDATE procedures_procedure SET updated_at = now()")

    eventually(lambda: execute(subscriber, versions) == [(before[0][0] + 1,)], 30)


def test_tables_may_be_in_a_schema_of_their_own(source: Source) -> None:
    copy = source.new_database()
    name = psycopg.conninfo.conninfo_to_dict(copy)["dbname"]
    execute(copy, "CREATE SCHEMA service", f"ALTER ROLE procedures IN DATABASE {name} SET search_path = service")

    run_python("tests.people", environment=source.environment | {"DATABASE_URL": copy})

    assert source.command(copy, "check_database") == (0, ["No faults."])
    assert execute(copy, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    execute(
        copy, "SET search_path = ''", "INSERT INTO service.procedures_procedure (key, status, tags, created_at,"
        " updated_at) VALUES ('gibson', 'active', '{}', now(), now())",
    )  # fmt: skip
    assert ("procedures:procedure:gibson",) in execute(copy, "SELECT resource FROM resource_version")
