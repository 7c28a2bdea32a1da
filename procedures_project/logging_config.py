"""How every log line looks: structlog events, as JSON in production and readable on a terminal."""

import io
import logging.config
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

from procedures_project.log_stream import LOG_STREAM


def logging_config(log_format: str) -> None:
    """Configure structlog and the standard library's loggers; `log_format` is `json` or `console`.

    Our own events go straight to `LOG_STREAM`. Lines of Django and the server take the detour through
    the standard library, and come out in the same shape.
    """
    as_json = log_format == "json"
    text_stream = io.TextIOWrapper(LOG_STREAM, encoding="utf-8", write_through=True)  # type: ignore[type-var]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    structlog.configure(
        processors=[*shared, *_rendering(as_json, as_bytes=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=(
            structlog.BytesLoggerFactory(cast("BinaryIO", LOG_STREAM))
            if as_json
            else structlog.WriteLoggerFactory(text_stream)
        ),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structlog": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared, structlog.stdlib.add_logger_name],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *_rendering(as_json, as_bytes=False),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": text_stream, "formatter": "structlog"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            # Each refused request or login is already one line of ours; these would add a second.
            "loggers": {name: {"level": "ERROR"} for name in ("django.request", "django.security", "axes")}
            # Anybody can send a wrong Host, in 16 KB; Django would write all of it, at level ERROR, with a traceback.
            | {"django.security.DisallowedHost": {"level": "CRITICAL"}},
        }
    )


def _rendering(as_json: bool, *, as_bytes: bool) -> list[Processor]:
    """The processors that turn an event into a line."""
    if not as_json:
        return [structlog.dev.ConsoleRenderer()]
    serializer = orjson.dumps if as_bytes else _dumps_text
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer, default=str)]


def _dumps_text(event: EventDict, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
