"""How every log line looks: structlog events, as JSON in production and readable on a terminal."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from procedures_project.fault_reports import fault_reports
from procedures_project.log_output import reserve_standard_streams
from procedures_project.log_stream import LOG_STREAM

FORMATS = ("console", "json")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
OF_CLIENTS = "django.security."
MAX_OF_CLIENTS = 200  # characters

LOGGED_REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request that this task or thread answers."""

SERVERS_LOGGING: dict[str, Any] = {"handlers": {}, "loggers": {"_granian": {"propagate": True}}}
"""For granian: its lines go where all others do. By itself it writes to standard output, and may block on a reader."""


def log_before_settings(environ: Mapping[str, str]) -> str:
    """Configure the log as the environment says, as far as that is valid, and return the format.

    What is wrong with the environment is reported, on this log, when the settings are read.
    """
    log_format, level = environ.get("LOG_FORMAT", ""), environ.get("LOG_LEVEL", "")
    log_format = log_format if log_format in FORMATS else default_format()
    logging_config(log_format, level if level in LEVELS else "info")
    return log_format


def default_format() -> str:
    """Return the format for whoever reads standard error: a person or a program."""
    return "console" if sys.stderr is not None and sys.stderr.isatty() else "json"


def standard_error_of_server() -> io.TextIOWrapper:
    """Return what takes the place of `sys.stderr` in a worker: what libraries print never fails or holds anybody up."""
    return io.TextIOWrapper(LOG_STREAM, encoding="utf-8", write_through=True)  # type: ignore[arg-type]


def logging_config(log_format: str, level: str = "info") -> None:
    """Configure structlog and the standard library's loggers.

    Args:
        log_format: `json` or `console`.
        level: One of `LEVELS`; lines below it are not written.

    Our own events go straight to `LOG_STREAM`. Lines of Django and the server go through the standard library, and come
    out in the same shape.
    """
    reserve_standard_streams()
    logging.captureWarnings(capture=True)
    as_json = log_format == "json"
    text_stream = standard_error_of_server()
    shared: list[Processor] = [
        add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        report_fault,
    ]
    structlog.configure(
        processors=[*shared, *_rendering(as_json, as_bytes=True)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=(
            structlog.BytesLoggerFactory(cast("BinaryIO", LOG_STREAM))
            if as_json
            else structlog.WriteLoggerFactory(text_stream)
        ),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.add_logger_name],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_rendering(as_json, as_bytes=False),
        ],
    }
    logging.config.dictConfig(_config_of_libraries(formatter, text_stream, LEVELS[level]))


def _config_of_libraries(formatter: dict[str, Any], stream: io.TextIOWrapper, level: int) -> dict[str, Any]:
    """Return the configuration of the standard library's loggers, which libraries use."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structlog": formatter},
        "filters": {
            "of_clients": {"()": lambda: _shorten_what_clients_did},
            "logged": {"()": lambda: _is_not_logged_already},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": stream,
                "formatter": "structlog",
                "level": level,
                "filters": ["logged", "of_clients"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        # Each refused request or login is already one line of ours; these would add a second.
        "loggers": {
            **{name: {"level": "ERROR"} for name in ("django.request", "django.security", "axes")},
            "_granian.asgi": {"level": "WARNING"},  # it has a line for each piece that a client no longer takes
        },
    }


def add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say which request an event belongs to (a processor of structlog, whose own looks at all context)."""
    request_id = LOGGED_REQUEST_ID.get(None)
    if request_id is not None:
        event["request_id"] = request_id
    return event


def report_fault(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Report an event that has a traceback, where somebody wants that (a processor of structlog)."""
    if fault_reports.is_on and event.get("exc_info"):
        fault_reports.report(event)
    return event


def _is_not_logged_already(record: logging.LogRecord) -> bool:
    """Drop Django's line for each 503: `database_unavailable` says why, once for many requests."""
    return record.name != "django.request" or getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def _shorten_what_clients_did(record: logging.LogRecord) -> bool:
    """Make what Django refuses, such as a wrong Host, one short line at info: it is the client's error, not ours.

    Django logs it as an error with a traceback, and with everything that the client has sent.
    """
    if record.name == "django.request" and isinstance(record.args, tuple):
        # An error of ours, whose line begins with the path.
        record.args = tuple(one[:MAX_OF_CLIENTS] if isinstance(one, str) else one for one in record.args)
    if record.name.startswith(OF_CLIENTS):
        record.msg, record.args = record.getMessage()[:MAX_OF_CLIENTS], None
        record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return True


def _rendering(as_json: bool, *, as_bytes: bool) -> list[Processor]:
    """The processors that turn an event into a line."""
    if not as_json:
        return [structlog.dev.ConsoleRenderer()]
    serializer = _dumps if as_bytes else _dumps_text
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer, default=str)]


def _dumps(event: EventDict, **options: Any) -> bytes:
    try:
        return orjson.dumps(event, **options)
    except TypeError:  # such as half of a surrogate pair, or a number of 80 bits: no line is worth a failed request
        return json.dumps(event, default=str, skipkeys=True).encode()


def _dumps_text(event: EventDict, **options: Any) -> str:
    return _dumps(event, **options).decode()
