"""One demo for all tests of the whole system."""

from collections.abc import Iterator

import pytest

from tests.system.demo import Demo, running_demo


@pytest.fixture(scope="session")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The one demo."""
    with running_demo(tmp_path_factory.mktemp("system") / "data") as demo:
        yield demo


@pytest.fixture
def demo(shared_demo: Demo) -> Iterator[Demo]:
    """A demo that tests use and leave as healthy as it was."""
    with shared_demo.expected_to_serve():
        yield shared_demo
