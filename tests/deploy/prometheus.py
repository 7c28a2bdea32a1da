"""Prometheus with the files of `deploy/prometheus`, which reads a running service."""

import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from procedures_project.embedded import HOST, start_child
from tests import PROJECT_DIR
from tests.processes import eventually, free_port

PROMETHEUS = shutil.which("prometheus")
FOLDER = PROJECT_DIR / "deploy" / "prometheus"
START_SECONDS = 30.0
FAR_ENOUGH_SECONDS = 60.0


class Prometheus:
    """A running Prometheus."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now; fail the test if Prometheus does not understand it."""
        answer = self._client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self._client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def await_alert(self, name: str) -> None:
        """Return when an alert fires."""
        eventually(lambda: name in self.firing(), FAR_ENOUGH_SECONDS)

    def is_up(self) -> bool:
        """Tell whether it answers, and has read every instance several times."""
        with contextlib.suppress(httpx.TransportError):
            if self._client.get("/-/ready").status_code == httpx.codes.OK:
                return self.query('min(sum_over_time(up{job="procedures"}[1m])) >= 5') != []
        return False


@contextlib.contextmanager
def running_prometheus(folder: Path, *targets: str) -> Iterator[Prometheus]:
    """Run it inside the block. It reads and judges each second, and alerts wait for nothing.

    Args:
        folder: A new one, for its files.
        targets: The instances that it reads, as `host:port`.
    """
    shutil.copytree(FOLDER, folder)
    token = folder / "metrics_token"
    token.write_text("a-token-of-some-length", encoding="utf-8")
    configuration = folder / "prometheus.yml"
    text = configuration.read_text(encoding="utf-8")
    for old, new in {
        "_interval: 15s": "_interval: 1s",
        "/run/secrets/metrics_token": str(token),
        '["web:8000"]': str(list(targets)),
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    configuration.write_text(text, encoding="utf-8")
    alerts = folder / "rules" / "alerts.yml"
    at_once = re.sub(r"^ +for: \w+\n", "", alerts.read_text(encoding="utf-8"), flags=re.MULTILINE)
    alerts.write_text(at_once, encoding="utf-8")
    port = free_port()
    command = [str(PROMETHEUS), f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    with open(folder / "log", "wb") as log:
        process = start_child(
            [*command, f"--web.listen-address={HOST}:{port}"], end_signal=signal.SIGTERM, output=log.fileno()
        )
    try:
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=30, trust_env=False) as client:
            prometheus = Prometheus(client)
            eventually(prometheus.is_up, START_SECONDS)
            yield prometheus
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
        process.kill()
        process.wait()
