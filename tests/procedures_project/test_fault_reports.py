"""Reports to Sentry, with a transport that keeps them: what a fault is and where, and nothing of anybody's."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from procedures_project.fault_reports import fault_reports
from procedures_project.logging_config import report_fault

SECRET = "hunter2"


@pytest.fixture
def reports() -> Iterator[list[Any]]:
    """Start reporting, and return what is sent."""
    transport = pytest.importorskip(
        "sentry_sdk.transport", reason="Sentry's SDK is not installed: pip install -r requirements/telemetry.txt"
    )
    sent: list[Any] = []

    class Kept(transport.Transport):  # type: ignore[name-defined,misc]  # known once it is imported
        def capture_envelope(self, envelope: Any) -> None:
            sent.append(envelope.get_event())

    fault_reports.start("https://key@sentry.invalid/7", Kept())
    yield sent
    fault_reports.stop()


def logged(**event: Any) -> dict[str, Any]:
    """Let an event pass as structlog does."""
    return dict(report_fault(None, "error", {"event": "gate_failed", "level": "error", **event}))


def fail(password: str) -> None:
    raise ValueError(f"cannot read {password}")


def test_a_fault_is_reported_by_its_kind_its_place_and_its_request(reports: list[Any]) -> None:
    try:
        fail(SECRET)
    except ValueError:
        logged(exc_info=True, request_id="5f0c")

    (report,) = reports
    (exception,) = report["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail"
    assert (report["level"], report["tags"]) == ("error", {"request_id": "5f0c"})
    assert report["release"].startswith("procedures@")


def test_no_variable_and_no_message_is_reported(reports: list[Any]) -> None:
    try:
        try:
            fail(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        logged(exc_info=error, path=f"/{SECRET}", body=SECRET)

    assert len(reports[0]["exception"]["values"]) == 2
    # The lines of this file are sent with the place; they have the name of the constant alone.
    assert SECRET not in json.dumps(reports, default=str).replace(f'SECRET = \\"{SECRET}\\"', "")


def test_a_line_without_a_traceback_is_not_reported(reports: list[Any]) -> None:
    assert logged() == {"event": "gate_failed", "level": "error"}

    assert reports == []


def test_a_fault_that_django_tells_is_reported_too(reports: list[Any]) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.processors.add_log_level, report_fault],
        processors=[structlog.processors.JSONRenderer(default=str)],
    )
    try:
        fail(SECRET)
    except ValueError as error:
        raised = (type(error), error, error.__traceback__)
        formatter.format(logging.LogRecord("django.request", logging.ERROR, __file__, 1, "%s", ("/x",), raised))

    assert [report["exception"]["values"][0]["type"] for report in reports] == ["ValueError"]


def test_nothing_is_reported_where_nobody_wants_it() -> None:
    event = {"event": "gate_failed", "level": "error", "exc_info": ValueError()}

    assert report_fault(None, "error", event) == event
