"""What keeps a server from starting, on its log: where programs read that, each line is an event like any other."""

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError

logger = structlog.get_logger(__name__)

FORESEEN = (ImproperlyConfigured, CommandError)
"""Errors whose message is for whoever starts the server; each of its lines says one thing."""


def log_start_failure(error: Exception) -> None:
    """Log why a process of the server does not start: in the error's own lines, or else with its traceback."""
    if isinstance(error, FORESEEN):
        for line in filter(None, map(str.strip, str(error).splitlines())):
            logger.error("start_failed", error=line)
    else:
        logger.error("start_failed", error=str(error).partition("\n")[0], exc_info=error)
