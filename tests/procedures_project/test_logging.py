"""How log lines look, and what every request leaves in the log."""

import json
import logging
import os
import subprocess
import sys
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from procedures_project.logging_config import add_request_id
from tests.conftest import ApiClient

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"

LOG_SOMETHING = """
import logging, sys
import structlog
from procedures_project.logging_config import LOGGED_REQUEST_ID, logging_config

logging_config(*sys.argv[1:])
LOGGED_REQUEST_ID.set("abc")
structlog.get_logger().info("step_committed", seq=4, title="Größe")
structlog.get_logger().debug("not_shown")
logging.getLogger("django.request").warning("not shown: our own line says it")
logging.getLogger("some.library").warning("disk %s", "full")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("some.library").exception("broken")
"""


REFUSE_A_HOST = """
import logging, sys
from procedures_project.logging_config import logging_config

logging_config(sys.argv[1])
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header: %r", "e" * 9999, exc_info=True)
"""


def logged(log_format: str, script: str = LOG_SOMETHING, level: str = "info") -> list[str]:
    """The lines that a process of its own writes to standard error: the tests' is captured by pytest."""
    finished = subprocess.run(
        [sys.executable, "-c", script, log_format, level],
        cwd=settings.BASE_DIR, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, capture_output=True, check=True,
    )  # fmt: skip
    assert finished.stdout == b""
    return finished.stderr.decode().splitlines()


def test_json_lines_have_the_event_its_fields_and_the_requests_id() -> None:
    ours, library, failure = map(json.loads, logged("json"))

    assert ours.pop("ts").endswith("Z")
    assert ours == {"event": "step_committed", "seq": 4, "title": "Größe", "level": "info", "request_id": "abc"}
    assert (library["event"], library["level"], library["logger"]) == ("disk full", "warning", "some.library")
    assert library["request_id"] == "abc"
    assert "ZeroDivisionError" in failure["exception"]


def test_console_lines_are_for_people() -> None:
    ours, library = [line for line in logged("console") if "step_committed" in line or "disk" in line]

    assert "seq" in ours
    assert "Größe" in ours
    assert "disk full" in library


def test_a_library_that_sets_its_own_level_writes_nothing_below_ours() -> None:
    script = LOG_SOMETHING + 'logging.getLogger("_granian").setLevel("INFO"); logging.getLogger("_granian").info("x")'

    assert [json.loads(line)["level"] for line in logged("json", script, level="error")] == ["error"]


def test_what_a_client_did_wrong_is_one_short_line_and_not_our_error() -> None:
    (line,) = map(json.loads, logged("json", REFUSE_A_HOST))

    assert line["event"] == "Invalid HTTP_HOST header: '".ljust(200, "e")
    assert line["level"] == "info"
    assert "exception" not in line


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", ["info", "debug", "warning", "error"]), ("info", ["info", "warning", "error"]), ("error", ["error"])],
)
def test_lines_below_the_level_are_not_written(level: str, written: list[str]) -> None:
    assert [json.loads(line)["level"] for line in logged("json", level=level)] == written


@pytest.fixture
def events() -> Any:
    with capture_logs(processors=[add_request_id]) as captured:
        yield captured


def finished(events: list[dict[str, Any]]) -> dict[str, Any]:
    (event,) = [event for event in events if event["event"] == "request_finished"]
    return event


def test_each_request_is_one_line_with_its_route_and_not_its_path(viewer: ApiClient, events: Any) -> None:
    viewer.get("/procedures/secret-name")

    event = finished(events)
    assert (event["method"], event["route"], event["status"]) == ("GET", "procedures/<slug:key>", 404)
    assert event["duration_ms"] > 0
    assert "secret" not in json.dumps(event)


def test_a_path_without_a_route_is_logged_without_it(anonymous: ApiClient, events: Any) -> None:
    anonymous.get("/wp-login.php")

    assert finished(events)["route"] is None


def test_the_answer_has_the_id_of_its_log_lines(viewer: ApiClient, events: Any) -> None:
    answer = viewer.get("/procedures")

    assert {event["request_id"] for event in events} == {answer["X-Request-ID"]}


@pytest.mark.parametrize(
    ("sent", "logged"), [("edge-7", "edge-7"), ("a\r\nb\x1b[2Jé c", "ab[2Jc"), ("x" * 100_000, "x" * 100)]
)
def test_the_id_that_was_given_upstream_is_logged_short_and_clean(
    anonymous: ApiClient, events: Any, sent: str, logged: str
) -> None:
    anonymous.get("/nowhere", headers={"X-Request-ID": sent})

    assert finished(events)["upstream_request_id"] == logged


def test_the_bytes_of_an_answer_are_those_of_its_body(viewer: ApiClient, events: Any) -> None:
    length = len(viewer.get("/procedures").content)
    viewer.head("/procedures")

    sent = [event["bytes"] for event in events if event["event"] == "request_finished"]
    assert sent == [length, 0]


@pytest.mark.parametrize("sent", [TRACEPARENT, f"01-{TRACE_ID}-{PARENT_ID}-00-later"])
def test_the_trace_is_that_of_the_client(anonymous: ApiClient, events: Any, sent: str) -> None:
    anonymous.get("/nowhere", headers={"traceparent": sent})

    assert finished(events)["trace_id"] == TRACE_ID


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TRACE_ID,
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
        f"00-{TRACE_ID}\n-{PARENT_ID}-01",
        f"{TRACEPARENT}2",
        "x" * 10_000,
    ],
)
def test_what_is_not_a_traceparent_is_ignored(anonymous: ApiClient, events: Any, sent: str) -> None:
    anonymous.get("/nowhere", headers={"traceparent": sent})

    assert finished(events)["trace_id"] is None


def test_only_a_trusted_proxy_says_where_a_request_comes_from(anonymous: ApiClient, events: Any, settings: Any) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    anonymous.get("/nowhere", headers=forwarded)
    settings.TRUSTED_NETWORKS = [ip_network("127.0.0.0/8")]
    anonymous.get("/nowhere", headers=forwarded)

    addresses = [event["client_address"] for event in events if event["event"] == "request_finished"]
    assert addresses == ["127.0.0.1", "203.0.113.9"]


def test_two_requests_have_two_ids(anonymous: ApiClient) -> None:
    assert anonymous.get("/healthz")["X-Request-ID"] != anonymous.get("/healthz")["X-Request-ID"]


@pytest.mark.parametrize("sent", ["forged", "a\r\nb", "x" * 100_000])
def test_an_id_from_the_client_is_not_adopted(anonymous: ApiClient, sent: str) -> None:
    answer = anonymous.get("/procedures", headers={"X-Request-ID": sent})

    assert len(answer["X-Request-ID"]) == 32
    assert answer["X-Request-ID"] not in sent


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_and_scrapes_are_not_logged(anonymous: ApiClient, events: Any, path: str) -> None:
    anonymous.get(path)

    assert [event for event in events if event["event"] == "request_finished"] == []


def test_no_token_is_logged(viewer: ApiClient, events: Any) -> None:
    viewer.get("/procedures", headers={"Cookie": "sessionid=prc_cookie"})

    assert "prc_" not in json.dumps(events, default=str)


def test_a_method_that_a_client_invents_makes_no_series_of_its_own(anonymous: ApiClient) -> None:
    anonymous.generic("FOO", "/healthz")

    labels = {
        sample.labels["method"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if "method" in sample.labels
    }
    assert "<invalid method>" in labels
    assert "FOO" not in labels


def test_a_request_is_counted_under_its_view_its_method_and_its_status(anonymous: ApiClient) -> None:
    name = "django_http_responses_total_by_status_view_method_total"
    labels = {"status": "401", "view": "run-list", "method": "GET"}
    before = REGISTRY.get_sample_value(name, labels) or 0

    anonymous.get("/runs")

    assert REGISTRY.get_sample_value(name, labels) == before + 1
    latency = "django_http_requests_latency_seconds_by_view_method_count"
    assert REGISTRY.get_sample_value(latency, {"view": "run-list", "method": "GET"})


def test_django_writes_no_second_line_for_a_refused_request() -> None:
    assert not logging.getLogger("django.request").isEnabledFor(logging.WARNING)
