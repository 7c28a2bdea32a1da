"""The service as it runs in production, over a PostgreSQL of its own kind: a standby, a pooler."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg

from procedures_project import embedded
from procedures_project.embedded import HOST, EmbeddedServers, Server
from tests.processes import Granian, eventually, free_port, run_python, serve_argv, service_environment

START_SECONDS = 60.0

Answer = dict[str, Any]


class Service:
    """A running web server with one worker, and who may use it."""

    def __init__(self, granian: Granian, port: int, tokens: dict[str, str], environment: dict[str, str]) -> None:
        self.granian = granian
        self.environment = environment
        self.base_url = f"http://{HOST}:{port}"
        self._tokens = tokens

    def request(self, method: str, path: str, role: str | None = "admin", **options: Any) -> httpx.Response:
        """Send a request over a connection of its own."""
        headers = {"If-Match": "*"} | ({"Authorization": f"Bearer {self._tokens[role]}"} if role else {})
        headers |= options.pop("headers", None) or {}
        url = f"{self.base_url}{path}"
        return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **options)

    def get(self, path: str) -> httpx.Response:
        """GET."""
        return self.request("GET", path)

    def post(self, path: str, content: Answer) -> httpx.Response:
        """POST JSON."""
        return self.request("POST", path, json=content)

    def readiness(self) -> Answer:
        """Return what /readyz says."""
        try:
            found: Answer = self.request("GET", "/readyz", role=None).json()
        except httpx.TransportError:
            return {}
        return found

    def command(self, *arguments: str) -> str:
        """Run an operator's command, and return what it prints.

        Raises:
            RuntimeError: it failed.
        """
        return run_python("manage", *arguments, environment=self.environment)


@contextlib.contextmanager
def serving(folder: Path, migrating_url: str, ready: str = "ok", **environment: str) -> Iterator[Service]:
    """Run the service inside the block, once it is `ready`; tables and people are made over `migrating_url`."""
    own = service_environment(folder, INSECURE_HTTP="1", METRICS_OPEN_TO_LOOPBACK="1", **environment)
    tokens = json.loads(run_python("tests.people", environment=own | {"DATABASE_URL": migrating_url}))
    port = free_port()
    granian = Granian(serve_argv(port, 1), folder / "service", own)
    try:
        service = Service(granian, port, tokens, own)
        eventually(lambda: service.readiness().get("status") == ready, START_SECONDS)
        yield service
    finally:
        granian.stop()


def restarted(server: Server, *settings: str) -> Server:
    """Start a PostgreSQL again that was stopped, with more settings: `--wal_level=logical`."""
    account = embedded.account_instead_of_root()
    again = embedded.start_server("PostgreSQL", [*server.argv, *settings], server.end_signal, server.log_path, account)
    port = next(argument for argument in server.argv if argument.startswith("--port=")).removeprefix("--port=")
    eventually(lambda: answers(int(port)) or not again.is_alive, START_SECONDS)
    assert again.is_alive, server.log_path.read_text(encoding="utf-8")
    return again


def answers(port: int) -> bool:
    """Tell whether a PostgreSQL says anything there, and be it that the password is wrong."""
    try:
        psycopg.connect(host=HOST, port=port, user="nobody", dbname="nothing", connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return "authentication failed" in str(error) or "no password" in str(error)
    return True


@contextlib.contextmanager
def standby_of(servers: EmbeddedServers, folder: Path) -> Iterator[tuple[Server, str]]:
    """Run a standby that follows the primary asynchronously, and yield it with its URL."""
    binaries = Path(servers.postgres.argv[0]).parent
    parameters = psycopg.conninfo.conninfo_to_dict(servers.database_url)
    account = embedded.account_instead_of_root()
    data = folder / "standby"
    data.mkdir(mode=0o700)
    if account:
        embedded.open_to_account(binaries, data, account)
        os.chown(data, account.uid, account.gid)
    subprocess.run(
        [binaries / "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d", servers.database_url],
        check=True, capture_output=True, cwd="/", env={"LC_ALL": "C"},
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    port = free_port()
    argv = embedded.postgres_argv(binaries, data, port, durable=False)
    server = restarted(Server("standby", argv, servers.postgres.process, signal.SIGINT, folder / "standby.log"))
    try:
        yield server, psycopg.conninfo.make_conninfo(servers.database_url, port=port, dbname=parameters["dbname"])
    finally:
        server.stop()
