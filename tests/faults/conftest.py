"""One demo for all faults that a demo survives."""

from collections.abc import Iterator

import pytest

from tests.processes import eventually
from tests.system.demo import Demo, running_demo


@pytest.fixture(scope="session")
def surviving_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that tests damage in ways that it survives."""
    with running_demo(tmp_path_factory.mktemp("faults") / "data") as demo:
        yield demo


@pytest.fixture
def demo(surviving_demo: Demo) -> Iterator[Demo]:
    """The surviving demo, healthy: Valkey is up and the cache answers from it."""
    with surviving_demo.expected_to_serve():
        if not surviving_demo.valkey_answers():
            surviving_demo.start_valkey()
        eventually(lambda: surviving_demo.client(None).get("/readyz").json()["status"] == "ok")
        eventually(lambda: cache_is_used(surviving_demo))
        yield surviving_demo


def cache_is_used(demo: Demo) -> bool:
    """Read the list, probably once from each worker, and tell whether the cache had it every time."""
    before = demo.cache_counts()
    for _ in range(8):
        demo.get("/procedures")
    return (demo.cache_counts() - before)["hits_total list"] == 8
