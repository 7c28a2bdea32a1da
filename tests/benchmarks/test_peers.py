"""Every peer answers what the service answers, cold and warm, compressed and not."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import LoadError
from benchmarks.measurement import LIST, Reader
from benchmarks.peers import PEERS
from benchmarks.servers import ALL_PEERS, BARE_VIEW, BARE_WSGI, GZIP_PEERS, OURS, Server, serving
from benchmarks.stores import Workload, running_stores
from benchmarks.workload import definitions

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("cachalot", "cacheops", "rest_framework_extensions")),
    reason="the peers are not installed: pip install -r requirements/bench.txt",
)
FLOORS = [BARE_VIEW, BARE_WSGI]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The addresses of this module's servers."""
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def workload(folder: Path) -> Iterator[Workload]:
    """A few procedures."""
    with running_stores(folder) as stores:
        yield stores.workload(procedures=3)


@pytest.fixture(scope="module")
def servers(folder: Path, workload: Workload) -> Iterator[dict[str, Server]]:
    """Every peer except the floors."""
    token = workload.tokens["viewer"]
    with serving([OURS, *ALL_PEERS], folder, workload.environment, path=LIST, token=token) as servers:
        yield servers


@pytest.fixture(scope="module")
def digest(servers: dict[str, Server], workload: Workload) -> str:
    """The digest of the service's own body."""
    return Reader(servers["ours"], workload.tokens["viewer"]).answers()[0].digest


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_what_the_service_answers(
    servers: dict[str, Server], workload: Workload, digest: str, name: str
) -> None:
    answers = Reader(servers[name], workload.tokens["viewer"], digest=digest).answers(3)

    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_only_with_a_token(servers: dict[str, Server], name: str) -> None:
    assert Reader(servers[name], "guessed", status=401).answers()[0].status == 401


def test_the_floors_answer_what_the_service_answers(
    servers: dict[str, Server], workload: Workload, digest: str, folder: Path
) -> None:
    token = workload.tokens["viewer"]
    body_file = folder / "body"
    body_file.write_bytes(Reader(servers["ours"], token).answers()[0].content)

    with serving(FLOORS, folder, {"BODY_FILE": str(body_file)}, path=LIST, token=token) as floors:
        for floor in floors.values():
            Reader(floor, token, digest=digest).answers()


def test_a_peer_behind_gzip_answers_what_the_service_answers(workload: Workload, digest: str, folder: Path) -> None:
    token = workload.tokens["viewer"]

    with serving(GZIP_PEERS, folder, workload.environment, path=LIST, token=token) as servers:
        for server in servers.values():
            accepting = {"Accept-Encoding": "gzip"}
            (answer,) = Reader(server, token, headers=accepting, digest=digest).answers()
            assert answer.headers["content-encoding"] == "gzip"


def test_another_body_than_the_expected_one_ends_the_measurement(
    servers: dict[str, Server], workload: Workload
) -> None:
    with pytest.raises(LoadError, match="not the one"):
        Reader(servers["ours"], workload.tokens["viewer"], digest="0" * 64).answers()


def test_the_workload_is_the_same_each_time() -> None:
    once: list[dict[str, Any]] = list(definitions(procedures=2, steps=3))

    assert once == list(definitions(procedures=2, steps=3))
    assert len({definition["key"] for definition in once}) == 2
