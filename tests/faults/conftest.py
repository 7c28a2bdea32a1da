"""One demo for all faults that a demo survives, and one procedure and run of their own for each."""

from collections.abc import Iterator

import pytest

from tests.system.demo import Demo, eventually, running_demo


@pytest.fixture(scope="session")
def surviving_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that tests break in ways that it survives."""
    with running_demo(tmp_path_factory.mktemp("faults") / "data") as demo:
        yield demo


@pytest.fixture
def demo(surviving_demo: Demo) -> Demo:
    """The surviving demo, healthy: Valkey is up and the cache answers from it."""
    if not surviving_demo.valkey_answers():
        surviving_demo.start_valkey()
    eventually(lambda: surviving_demo.client(None).get("/readyz").json()["status"] == "ok")
    eventually(lambda: cache_is_used(surviving_demo))
    return surviving_demo


def cache_is_used(demo: Demo) -> bool:
    """Read the list once from each worker, likely, and tell whether the cache knew it every time."""
    before = demo.cache_counts()
    for _ in range(8):
        demo.get("/procedures")
    return (demo.cache_counts() - before)["hits_total list"] == 8


@pytest.fixture
def procedure_key(demo: Demo) -> Iterator[str]:
    """The key of a procedure of two plain steps, which nothing has read yet."""
    with demo.procedure() as key:
        yield key


@pytest.fixture
def run_id(demo: Demo, procedure_key: str) -> str:
    """The id of a run that nothing has read yet."""
    return demo.start_run(procedure_key)
