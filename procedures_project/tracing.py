"""Traces, where there is a collector of OpenTelemetry: each request is a span, and each SQL statement a span below it.

OpenTelemetry is an optional extra (`otel`), so nothing here imports it before it is switched on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from procedures_project import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

TRACES_PATH = "/v1/traces"  # OTLP over HTTP: what follows the endpoint for traces

ATTRIBUTES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
    "client_address": "client.address",
    "user_id": "user.id",
    "cache_source": "procedures.cache_source",
    "request_id": "procedures.request_id",
}
"""The attributes of a request's span, by the fields of its log line: OpenTelemetry's names where it has any."""


class Tracing:
    """The traces of this process. Safe to share between threads.

    Attributes:
        is_on: Whether there are any; none until it is started.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    def start(self, exporter: "SpanExporter") -> None:
        """Give spans to `exporter` from now on, in batches and in a thread of its own."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": settings.OTEL_SERVICE_NAME, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("procedures", __version__)
        self.is_on = True

    def stop(self) -> None:
        """Export what is left, and make no more."""
        self.is_on = False
        provider, self._provider, self._tracer = self._provider, None, None
        if provider is not None:
            provider.shutdown()

    def begin(self, meta: Mapping[str, Any]) -> "Span | None":
        """Begin the span of a request, given in WSGI form, below that of its client; None if it is switched off."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        sent = {name: meta.get(f"HTTP_{name.upper()}", "") for name in ("traceparent", "tracestate")}
        parent = TraceContextTextMapPropagator().extract(sent)
        return self._tracer.start_span(meta["REQUEST_METHOD"], parent, SpanKind.SERVER)

    def inside(self, span: "Span") -> AbstractContextManager[None]:
        """Let SQL statements of this thread be spans below `span` inside the block."""
        return nullcontext() if self._tracer is None else _statements_below(span, self._tracer)

    def end(self, span: "Span", fields: Mapping[str, Any]) -> None:
        """End the span of a request, with the fields of its log line."""
        from opentelemetry.trace import StatusCode

        span.update_name(f"{fields['method']} {fields['route'] or ''}".rstrip())
        span.set_attributes(
            {attribute: fields[name] for name, attribute in ATTRIBUTES.items() if fields[name] is not None}
        )
        if fields["status"] >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()


def trace_id_of(span: "Span") -> str:
    """Return the trace of a span in hexadecimal digits."""
    return f"{span.get_span_context().trace_id:032x}"


def exporter_to(endpoint: str) -> "SpanExporter":
    """Return what sends spans to a collector."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint.rstrip("/") + TRACES_PATH)


@contextmanager
def _statements_below(span: "Span", tracer: "Tracer") -> Iterator[None]:
    from opentelemetry.trace import SpanKind, set_span_in_context

    parent = set_span_in_context(span)

    def traced(execute: Callable[..., Any], sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        # A text has placeholders, so what a client has sent stays here; psycopg's composed statements may contain it.
        text = sql if isinstance(sql, str) else ""
        attributes = {"db.system.name": "postgresql", "db.query.text": text}
        name = text.lstrip().partition(" ")[0] or "SQL"
        with tracer.start_as_current_span(name, parent, SpanKind.CLIENT, attributes, record_exception=False):
            return execute(sql, parameters, many, context)

    with connection.execute_wrapper(traced):
        yield


tracing = Tracing()
