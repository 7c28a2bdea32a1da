"""The servers that the tests talk to, before Django reads its settings.

Those of DATABASE_URL and REDIS_URL where they are set (the Redis database is flushed), else embedded ones
that live as long as the test run. Loaded by `-p tests.servers`, since a conftest would come too late.
What the tests' processes leave is removed in the end; `--basetemp FOLDER` keeps it.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from procedures_project.embedded import embedded_servers

ENVIRONMENT = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "testserver,127.0.0.1",
    "INSECURE_HTTP": "1",
    "METRICS_OPEN_TO_LOOPBACK": "1",
    "LOG_FORMAT": "json",
    "WRONG_TOKENS_PER_MINUTE": "0",  # all tests come from one address
}
ARE_OURS = "TESTS_HAVE_SERVERS_OF_THEIR_OWN"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the servers. It is a wrapper, because pytest-django reads the settings in this same hook."""
    stack = ExitStack()
    early_config.add_cleanup(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="procedures-tests-")))
    if early_config.known_args_namespace.basetemp is None:
        # By default all runs of a user share a folder, and each that begins closes it to others. So it closed it to
        # the account that root lends to PostgreSQL, and the databases of other runs died at their next checkpoint.
        early_config.option.basetemp = folder / "tmp"
    static_root = folder / "static"
    static_root.mkdir()
    os.environ.update(ENVIRONMENT, STATIC_ROOT=str(static_root))
    if ARE_OURS in os.environ or not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        os.environ[ARE_OURS] = (
            "1"  # so that each process of `pytest -n` has servers of its own, and not the first one's
        )
        servers = stack.enter_context(embedded_servers(folder, durable=False))
        os.environ |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    return (yield)
