"""Two trees side by side, as in a rolling deploy: code that writes bodies differently shares none of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.processes import Granian, eventually, free_port, serve_argv, service_environment
from tests.system.demo import Demo

PACKAGES = ("access", "procedures", "procedures_project", "rest", "runs", "versioned_cache")


@pytest.fixture
def next_tree(tmp_path: Path) -> Path:
    """A tree whose instants in runs have microseconds."""
    tree = tmp_path / "next"
    for package in PACKAGES:
        shutil.copytree(PROJECT_DIR / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT_DIR / "manage.py", tree)
    bodies = tree / "runs" / "bodies.py"
    source = bodies.read_text()
    assert source.count("HH24:MI:SS.MS") == 1
    bodies.write_text(source.replace("HH24:MI:SS.MS", "HH24:MI:SS.US"))
    return tree


@pytest.fixture
def next_server(demo: Demo, next_tree: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A viewer's client of the changed code, on the stores of the demo."""
    port = free_port()
    stores = {"DATABASE_URL": demo.services["database_url"], "REDIS_URL": demo.services["redis_url"]}
    environment = service_environment(tmp_path, INSECURE_HTTP="1", **stores)
    server = Granian(serve_argv(port, workers=1), tmp_path / "server", environment, source=next_tree)
    headers = {"Authorization": f"Bearer {demo.tokens['viewer']}"}
    try:
        with httpx.Client(base_url=f"http://{HOST}:{port}", headers=headers, trust_env=False) as client:
            eventually(lambda: is_ready(client), seconds=60)
            yield client
    finally:
        server.stop()


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_old_and_new_code_share_neither_a_tag_nor_a_payload(demo: Demo, next_server: httpx.Client, run_id: str) -> None:
    path = f"/runs/{run_id}"
    old = demo.get(path)
    new = next_server.get(path)

    assert new.json()["started_at"] == old.json()["started_at"].replace("Z", "000Z")
    assert 'desc="database"' in new.headers["Server-Timing"]
    assert new.headers["ETag"].partition("-")[0] == old.headers["ETag"].partition("-")[0]
    assert new.headers["ETag"] != old.headers["ETag"]
    for reader, tag, own in (
        (next_server, old.headers["ETag"], new),
        (demo.client("viewer"), new.headers["ETag"], old),
    ):
        crossed = reader.get(path, headers={"If-None-Match": tag})
        assert (crossed.status_code, crossed.content) == (200, own.content)
        assert reader.get(path, headers={"If-None-Match": own.headers["ETag"]}).status_code == 304
