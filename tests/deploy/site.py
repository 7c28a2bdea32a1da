"""A site as `deploy/nginx` describes it: nginx with TLS in front of several instances of the service."""

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from procedures_project.embedded import HOST, embedded_servers, start_child
from tests import PROJECT_DIR
from tests.processes import Granian, eventually, free_port, run_python, serve_argv, service_environment

NGINX = shutil.which("nginx")
CONFIGURATION = PROJECT_DIR / "deploy" / "nginx"
NAME = "procedures.example.com"
DRAIN_SECONDS = 2
START_SECONDS = 60.0
MAIN = """\
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/*.conf;
}}
"""


class Instance:
    """One host of the service, which can be replaced by another tree's."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._folder = folder
        self._environment = environment
        self._starts = 0
        self._granian = self._started(PROJECT_DIR)

    def _started(self, source: Path) -> Granian:
        self._starts += 1
        folder = self._folder / f"instance-{self.port}-{self._starts}"
        granian = Granian(serve_argv(self.port, workers=1), folder, self._environment, source)
        eventually(self.is_ready, START_SECONDS)
        return granian

    def is_ready(self) -> bool:
        """Tell whether requests may be sent to it."""
        try:
            return httpx.get(f"http://{HOST}:{self.port}/readyz", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def upgrade(self, source: Path) -> None:
        """Let it drain and end, as a supervisor does, and start another tree in its place."""
        os.kill(self._granian.pid, signal.SIGTERM)
        eventually(lambda: self._granian.has_ended, START_SECONDS)
        self._granian = self._started(source)

    def stop(self) -> None:
        """End it."""
        self._granian.stop()


@dataclass
class Site:
    """Everything that runs, and how to reach it.

    Attributes:
        environment: What each instance finds in its environment.
    """

    instances: list[Instance]
    port: int
    plain_port: int
    tokens: dict[str, str]
    environment: dict[str, str]
    certificate: Path

    def client(self, role: str | None = None, *, address: str = HOST) -> httpx.Client:
        """Return a client that comes over TLS, from an address of this machine."""
        headers = {"Host": NAME} | ({"Authorization": f"Bearer {self.tokens[role]}"} if role else {})
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        trusted.check_hostname = False  # it is reached by number
        transport = httpx.HTTPTransport(verify=trusted, local_address=address, trust_env=False)
        return httpx.Client(base_url=f"https://{HOST}:{self.port}", headers=headers, transport=transport, timeout=30)


@contextlib.contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Run two instances behind nginx inside the block. To be called from the main thread."""
    with embedded_servers(folder / "data", durable=False) as servers, ExitStack() as stack:
        environment = service_environment(
            folder,
            DATABASE_URL=servers.database_url,
            REDIS_URL=servers.redis_url,
            BEHIND_TLS_PROXY="1",
            TRUSTED_PROXIES=HOST,
            SERVE_DRAIN_SECONDS=str(DRAIN_SECONDS),
        ) | {"ALLOWED_HOSTS": NAME}
        tokens = json.loads(run_python("tests.people", environment=environment))
        run_python("manage", "collectstatic", "--no-input", environment=environment)
        instances = []
        for _ in range(2):
            instances.append(Instance(folder, environment))
            stack.callback(instances[-1].stop)
        site = Site(instances, free_port(), free_port(), tokens, environment, folder / "tls.crt")
        stack.enter_context(_running_nginx(folder, site))
        yield site


@contextlib.contextmanager
def _running_nginx(folder: Path, site: Site) -> Iterator[None]:
    _make_certificate(folder)
    (folder / "nginx").mkdir()
    for name in ("procedures.conf", "procedures-upstream.conf"):
        text = (CONFIGURATION / name).read_text(encoding="utf-8")
        (folder / "nginx" / name).write_text(_for_this_machine(text, folder, site), encoding="utf-8")
    main = folder / "nginx.main"
    main.write_text(MAIN.format(folder=folder / "nginx"), encoding="utf-8")
    assert NGINX
    process = start_child(
        [NGINX, "-c", str(main), "-e", str(folder / "nginx" / "error.log")],
        end_signal=signal.SIGQUIT, output=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with site.client() as client:
            eventually(lambda: _answers(client))
        yield
    finally:
        process.terminate()
        process.wait()


def _answers(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/healthz").status_code == httpx.codes.OK
    return False


def _for_this_machine(text: str, folder: Path, site: Site) -> str:
    """Return a file of nginx with the places of this test: its ports, its certificate, both instances."""
    servers = " ".join(f"server {HOST}:{instance.port} max_fails=0;" for instance in site.instances)
    replaced = {
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl;\n": "",
        "    http2 on;\n": "",  # Debian 12's nginx, 1.22, has an option of `listen` for it
        "listen 80;": f"listen {HOST}:{site.plain_port};",
        "listen 443 ssl;": f"listen {HOST}:{site.port} ssl http2;",
        "/etc/nginx/tls": str(folder),
        "server 127.0.0.1:8000 max_fails=0;": servers,
    }
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


def _make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command, *files], check=True, capture_output=True)
