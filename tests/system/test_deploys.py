"""Two trees side by side, as in a rolling deploy: code that writes bodies differently shares none of them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.beside import server_beside
from tests.next_tree import make_next_tree
from tests.system.demo import Demo


@pytest.fixture
def next_server(demo: Demo, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the changed code, on the stores of the demo."""
    with server_beside(demo, tmp_path, source=make_next_tree(tmp_path / "next")) as server:
        yield server.client


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
