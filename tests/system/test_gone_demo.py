"""Every test that uses a demo that has ended learns why: a refused connection would not say."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.system.demo import BANNER_END, Demo, DemoGone, running_demo


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that will not live long."""
    with running_demo(tmp_path_factory.mktemp("gone") / "data", "--no-sample-data") as demo:
        yield demo


def kill_web_server(demo: Demo) -> None:
    """Kill granian, and return when the demo has ended too."""
    os.kill(demo.pids["server"], signal.SIGKILL)
    demo.wait_until_ended()


def test_the_test_in_which_it_ends_and_every_later_one_get_its_exit_code_and_its_last_lines(
    shared_demo: Demo, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(DemoGone) as first, shared_demo.expected_to_serve():
        kill_web_server(shared_demo)
    with pytest.raises(DemoGone) as later:
        request.getfixturevalue("demo")

    for message in (str(first.value), str(later.value)):
        assert "has ended with exit code 1" in message
        assert BANNER_END in message
        assert "granian, the web server, ended (exit code -9)" in message
        assert "database system is shut down" in message
