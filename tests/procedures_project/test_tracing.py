"""Traces, for whoever has a collector, with the SDK's exporter in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from procedures_project.tracing import tracing
from tests.conftest import ApiClient

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


Spans = Callable[[], list[Any]]


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Start tracing; a call ends it, and returns what was exported."""
    exporting = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter",
        reason="OpenTelemetry is not installed: pip install -r requirements/telemetry.txt",
    )
    exporter = exporting.InMemorySpanExporter()
    tracing.start(exporter)

    def exported() -> list[Any]:
        tracing.stop()
        return list(exporter.get_finished_spans())

    yield exported
    tracing.stop()


def test_a_request_is_a_span_below_its_client_and_its_statements_are_below_it(viewer: ApiClient, spans: Spans) -> None:
    with capture_logs() as events:
        answer = viewer.get("/runs", headers={"traceparent": TRACEPARENT})

    *statements, request = spans()
    assert f"{request.context.trace_id:032x}" == TRACE_ID == events[-1]["trace_id"]
    assert f"{request.parent.span_id:016x}" == PARENT_ID
    assert (request.name, request.kind.name) == ("GET runs", "SERVER")
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["procedures.request_id"] == answer["X-Request-ID"]
    assert {statement.parent.span_id for statement in statements} == {request.context.span_id}
    assert any(statement.name == "SELECT" and "%s" in statement.attributes["db.query.text"] for statement in statements)


def test_a_request_without_a_client_s_trace_begins_one(viewer: ApiClient, spans: Spans) -> None:
    with capture_logs() as events:
        viewer.get("/procedures")

    *_, request = spans()
    assert request.parent is None
    assert f"{request.context.trace_id:032x}" == events[-1]["trace_id"]
    assert request.attributes["procedures.cache_source"] == events[-1]["cache_source"]


def test_probes_leave_no_span(anonymous: ApiClient, spans: Spans) -> None:
    anonymous.get("/healthz")

    assert [span.name for span in spans() if span.kind.name == "SERVER"] == []


def test_nothing_that_a_client_sends_is_in_a_span(viewer: ApiClient, spans: Spans) -> None:
    viewer.get("/runs?search=hunter2", headers={"Cookie": "hunter2=hunter2", "User-Agent": "hunter2"})

    exported = spans()
    assert exported
    assert "hunter2" not in str([span.to_json() for span in exported])
