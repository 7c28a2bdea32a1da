"""The ASGI application: the gate, and Django behind it."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from wsgiref.types import WSGIApplication

from django.conf import settings
from django.db import connection

from procedures_project.wsgi import django

# The modules below need the apps, which the one above has loaded.
# isort: split

from access.token_uses import WRITE_SECONDS, token_uses
from procedures_project.django_pool import DjangoPool, PoolExhausted
from procedures_project.fault_reports import fault_reports
from procedures_project.gate import Gate, Send
from procedures_project.listener import drop_answers_that_nobody_takes
from procedures_project.log_stream import LOG_STREAM
from procedures_project.logging_config import standard_error_of_server
from procedures_project.printed_lines import printed_lines_logged
from procedures_project.readiness import Readiness
from procedures_project.request_bodies import Receive
from procedures_project.tracing import tracing
from procedures_project.vital_signs import VitalSigns
from versioned_cache.engine import cache
from versioned_cache.loop_reader import LoopReader


class Application:
    """The gate of one worker, from the start of its event loop to the end.

    Args:
        django: What is behind the gate.
    """

    def __init__(self, django: WSGIApplication) -> None:
        self._django = django
        self._gate: Gate | None = None

    @property
    def gate(self) -> Gate | None:
        """The gate, while the application lives."""
        return self._gate

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or live from the server's start to its end (ASGI)."""
        if scope["type"] == "lifespan":
            with LOG_STREAM.deferred(), _printing():
                await self._live(receive, send)
        elif self._gate is not None:
            await self._gate.answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        pool = DjangoPool(
            self._django, settings.DJANGO_THREADS, settings.DJANGO_QUEUE_LENGTH, settings.DJANGO_QUEUE_SECONDS
        )
        reader = LoopReader(cache, connection.get_connection_params())
        readiness = Readiness(settings.DRAIN_FILE)
        self._gate = Gate(pool, reader, readiness)
        await receive()
        reader.connect_ahead()
        await readiness.look()
        tasks = [
            asyncio.create_task(readiness.keep_looking()),
            asyncio.create_task(_keep_writing_uses(pool)),
            asyncio.create_task(drop_answers_that_nobody_takes()),
            asyncio.create_task(VitalSigns(pool, settings.DJANGO_THREADS, readiness).keep_measuring()),
        ]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        await reader.close()
        readiness.close()
        await pool.close()
        await asyncio.to_thread(_stop_telemetry)
        await send({"type": "lifespan.shutdown.complete"})


def _printing() -> AbstractContextManager[object]:
    """Return the context in which what is printed to standard error neither fails nor holds anybody up."""
    as_events = settings.LOG_FORMAT == "json"
    return printed_lines_logged() if as_events else contextlib.redirect_stderr(standard_error_of_server())


def _stop_telemetry() -> None:
    """Send the remaining traces and reports."""
    tracing.stop()
    fault_reports.stop()


async def _keep_writing_uses(pool: DjangoPool) -> None:
    """Write every now and then which tokens were used."""
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        with contextlib.suppress(PoolExhausted):  # another time
            await pool.ask(token_uses.write, time.monotonic())


application = Application(django)
