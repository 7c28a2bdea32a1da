"""One more server on the stores of a demo: another tree, another clock, or another standard error."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.processes import Granian, eventually, free_port, serve_argv, service_environment
from tests.samples import Samples
from tests.system.demo import Demo

START_SECONDS = 60.0


class Beside:
    """A server beside a demo.

    Attributes:
        granian: Its processes.
        client: A client of it, which acts for the demo's operator.
        metrics_dir: Where its processes count.
    """

    def __init__(self, granian: Granian, client: httpx.Client, metrics_dir: Path) -> None:
        self.granian = granian
        self.client = client
        self.metrics_dir = metrics_dir

    def is_ready(self) -> bool:
        """Tell whether requests should be sent there."""
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def samples(self) -> Samples:
        """Scrape /metrics."""
        return Samples(self.client.get("/metrics").raise_for_status().text)


@contextlib.contextmanager
def server_beside(
    demo: Demo,
    folder: Path,
    *,
    source: Path = PROJECT_DIR,
    redirection: str = "",
    workers: int = 1,
    role: str = "operator",
    **variables: str,
) -> Iterator[Beside]:
    """Run a server inside the block.

    Args:
        demo: Whose PostgreSQL and Valkey it uses.
        folder: Where its files may be.
        source: The tree that it is started in.
        redirection: What a shell does with its streams, such as `2>/dev/full`.
        workers: How many.
        role: Whom of the demo its client acts for.
        variables: Of its environment.
    """
    port = free_port()
    stores = {"DATABASE_URL": demo.services["database_url"], "REDIS_URL": demo.services["redis_url"]}
    own = {"INSECURE_HTTP": "1", "METRICS_OPEN_TO_LOOPBACK": "1"}
    environment = service_environment(folder, **stores, **own, **variables)
    argv = ["sh", "-c", f'exec "$@" {redirection}', "sh", *serve_argv(port, workers)]
    headers = {"Authorization": f"Bearer {demo.tokens[role]}"}
    granian = Granian(argv, folder / "server", environment, source)
    try:
        with httpx.Client(
            base_url=f"http://{HOST}:{port}", headers=headers, timeout=30, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:  # fmt: skip
            server = Beside(granian, client, folder / "server" / "metrics")
            eventually(server.is_ready, START_SECONDS)
            yield server
    finally:
        granian.stop()
