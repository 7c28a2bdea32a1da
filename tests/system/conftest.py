"""One demo for all tests of the whole system, and one procedure and run of their own for each."""

from collections.abc import Iterator

import pytest

from tests.system.demo import Demo, running_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that tests use and leave as healthy as it was."""
    with running_demo(tmp_path_factory.mktemp("system") / "data") as demo:
        yield demo


@pytest.fixture
def procedure_key(demo: Demo) -> Iterator[str]:
    """The key of a procedure of two plain steps, which nothing has read yet."""
    with demo.procedure() as key:
        yield key


@pytest.fixture
def run_id(demo: Demo, procedure_key: str) -> str:
    """The id of a run that nothing has read yet."""
    return demo.start_run(procedure_key)
