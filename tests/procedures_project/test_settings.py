"""The settings read their environment strictly: a wrong or missing value stops the start and says why."""

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.processes import free_port, processes_of

RIGHT = {
    "SECRET_KEY": "wG7rT-4kPz_Qm9VbXe2LsYd8HnCj5Fua",
    "ALLOWED_HOSTS": "procedures.example.com, localhost",
    "DATABASE_URL": "postgresql://app:s%20cret@db.example:6543/procedures?sslmode=require",
    "REDIS_URL": "redis://cache.example:6379/1",
}
SHOW = (
    "import json, sys; from procedures_project import settings as s; print(json.dumps(eval(sys.argv[1]), default=str))"
)


def loaded(expression: str, **changes: str | None) -> subprocess.CompletedProcess[bytes]:
    """Load the settings in a separate process with nothing else in its environment, and evaluate `expression`."""
    environment = {name: value for name, value in {**RIGHT, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", SHOW, expression],
        cwd=settings.BASE_DIR, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, check=False,
    )  # fmt: skip


def value_of(expression: str, **changes: str | None) -> Any:
    finished = loaded(expression, **changes)
    assert finished.returncode == 0, finished.stderr.decode()
    return json.loads(finished.stdout)


WRONG = {
    "SECRET_KEY": "a" * 32,
    "SECRET_KEY_FALLBACKS": "b" * 32,
    "METRICS_TOKEN": "hunter2",
    "ALLOWED_HOSTS": "*.example.com",
    "CSRF_TRUSTED_ORIGINS": "procedures.example.com",
    "DATABASE_URL": "mysql://app:hunter2@db/procedures",
    "REDIS_URL": "http://app:hunter2@cache",
    "INSECURE_HTTP": "true",
    "BEHIND_TLS_PROXY": "yes",
    "METRICS_OPEN_TO_LOOPBACK": "on",
    "CACHE_LOG_HITS": "False",
    "CACHE_LEASE_MS": "199",
    "CACHE_TTL": "60",
    "LOGIN_FAILURES": "0",
    "LOGIN_LOCKOUT_MINUTES": "9999999999",
    "TOKEN_READS_PER_MINUTE": "-1",
    "TOKEN_WRITES_PER_MINUTE": "1.5",
    "WRONG_TOKENS_PER_MINUTE": "9" * 5000,
    "DJANGO_THREADS": "0",
    "DJANGO_QUEUE_LENGTH": "-1",
    "SERVE_PORT": "65536",
    "SERVE_WORKERS": "0",
    "SERVE_CONNECTIONS": "٣",
    "SERVE_DRAIN_SECONDS": "3601",
    "SERVE_SOCKET": "/no/such/folder/socket",
    "TRUSTED_PROXIES": "10.0.0.1,nginx",
    "LOG_FORMAT": "xml",
    "LOG_LEVEL": "INFO",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
    "SENTRY_DSN": "https://sentry.example/7",
    "STATIC_ROOT": "static\n",
}
"""A wrong value of every variable that can have one, and one variable that does not exist."""

COMMANDS = (["check"], ["migrate"])


def managed(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call a command of `manage.py` with nothing else in its environment."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, env={"PATH": os.environ["PATH"], **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_in_a_line_each_what_is_wrong_with_the_settings(command: list[str]) -> None:
    finished = managed(*command, **WRONG)

    lines = finished.stderr.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(WRONG)
    assert finished.returncode == 1
    assert finished.stdout == ""


def test_a_server_that_does_not_start_says_why_in_an_event_each() -> None:
    finished = managed("serve", **WRONG)

    events = [json.loads(line) for line in finished.stderr.splitlines()]
    assert {(event["event"], event["level"]) for event in events} == {("start_failed", "error")}
    assert sorted(event["error"].split()[0] for event in events) == sorted(WRONG)
    assert finished.returncode == 1


def test_a_person_who_starts_a_server_is_told_in_plain_lines() -> None:
    finished = managed("serve", **{**WRONG, "LOG_FORMAT": "console"})

    assert sorted(line.split()[0] for line in finished.stderr.splitlines()) == sorted(WRONG.keys() - {"LOG_FORMAT"})


def test_nothing_that_is_said_of_wrong_settings_is_secret() -> None:
    said = managed("check", **WRONG).stderr

    assert "hunter2" not in said
    assert "a" * 32 not in said
    assert max(map(len, said.splitlines())) < 250


def test_settings_that_are_missing_are_named_with_a_way_to_go_on_without_any() -> None:
    lines = managed("check").stderr.splitlines()

    required = {line.split()[0] for line in lines if "is required" in line}
    assert required == {"SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"}
    assert lines[-1] == "To look around without any setting, run `make demo`."


def test_the_demo_says_what_is_wrong_with_the_settings_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"

    finished = managed(
        "demo", "--data-dir", str(data), "--port", str(free_port()), CACHE_LEASE_MS="0", LOG_FORMAT="xml"
    )

    lines = finished.stderr.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["CACHE_LEASE_MS", "LOG_FORMAT"]
    assert "Traceback" not in finished.stderr
    assert finished.returncode == 1
    assert processes_of(data) == []


def test_a_variable_that_is_misspelt_is_not_passed_over() -> None:
    assert managed("check", **RIGHT, CACHE_LEASE_SM="5000").stderr == (
        "CACHE_LEASE_SM is not a setting of this service; did you mean CACHE_LEASE_MS?\n"
    )


def test_what_a_platform_says_about_a_service_called_cache_is_not_a_setting_of_ours() -> None:
    described = {
        "CACHE_SERVICE_HOST": "10.0.0.1",
        "CACHE_PORT": "tcp://10.0.0.1:6379",
        "CACHE_PORT_6379_TCP_PROTO": "tcp",
    }

    assert managed("check", **RIGHT, **described).returncode == 0


@pytest.mark.parametrize(
    "option", ["--workers=0", "--port=0", "--threads=-1", "--connections=x", "--drain-seconds=inf"]
)
def test_the_options_of_serve_have_the_bounds_of_their_variables(option: str) -> None:
    (event,) = map(json.loads, managed("serve", option, **RIGHT).stderr.splitlines())

    assert event["event"] == "start_failed"
    assert f"argument {option.partition('=')[0]}: must be" in event["error"]


def test_production_is_safe_by_default() -> None:
    safe = value_of(
        "[s.DEBUG, s.SECURE_SSL_REDIRECT, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0,"
        " s.METRICS_TOKEN, s.METRICS_OPEN_TO_LOOPBACK, s.SECURE_PROXY_SSL_HEADER]"
    )

    assert safe == [False, True, True, True, True, "", False, None]


def test_insecure_http_must_be_allowed_explicitly() -> None:
    insecure = value_of(
        "[s.SECURE_SSL_REDIRECT, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS]",
        INSECURE_HTTP="1",
    )

    assert insecure == [False, False, False, 0]


def test_a_forwarded_protocol_is_believed_only_behind_a_proxy_of_ours() -> None:
    assert value_of("s.SECURE_PROXY_SSL_HEADER", BEHIND_TLS_PROXY="1") == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_forwarded_addresses_are_believed_only_from_named_proxies() -> None:
    assert value_of("[s.TRUSTED_NETWORKS, s.TRUSTS_UNIX_SOCKET]") == [[], False]
    named = value_of("[s.TRUSTED_NETWORKS, s.TRUSTS_UNIX_SOCKET]", TRUSTED_PROXIES="10.0.0.0/8, ::1, unix")
    assert named == [["10.0.0.0/8", "::1/128"], True]


@pytest.mark.parametrize("limit", ["TOKEN_READS_PER_MINUTE", "TOKEN_WRITES_PER_MINUTE"])
def test_there_is_a_throttle_only_with_a_quota(limit: str) -> None:
    throttles = "s.REST_FRAMEWORK['DEFAULT_THROTTLE_CLASSES']"

    assert value_of(throttles) == []
    assert value_of(throttles, **{limit: "600"}) == ["access.limits.TokenThrottle"]


def test_a_libpq_uri_becomes_djangos_connection() -> None:
    database = value_of("s.DATABASES['default']")

    assert {name: database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "procedures",
        "USER": "app",
        "PASSWORD": "s cret",
        "HOST": "db.example",
        "PORT": "6543",
    }
    assert database["OPTIONS"]["sslmode"] == "require"


def test_options_in_the_operators_uri_override_our_timeouts() -> None:
    options = value_of("s.DATABASES['default']['OPTIONS']", DATABASE_URL="postgresql://db/x?connect_timeout=9")

    assert str(options["connect_timeout"]) == "9"
    assert "keepalives_idle" in options


def test_a_timeout_in_the_uris_options_wins_and_removes_no_other() -> None:
    url = "postgresql://db/x?options=-c%20lock_timeout%3D9s"

    options = value_of("s.DATABASES['default']['OPTIONS']", DATABASE_URL=url)

    assert options["options"] == "-c lock_timeout=9s"
    assert options["transaction_settings"] == {"idle_in_transaction_session_timeout": "10s"}


def test_no_startup_parameter_is_sent_that_the_operator_did_not_write() -> None:
    """PgBouncer refuses a session with `options`."""
    assert "options" not in value_of("s.DATABASES['default']['OPTIONS']")


def test_lists_are_split_at_commas_without_blanks() -> None:
    assert value_of("s.ALLOWED_HOSTS") == ["procedures.example.com", "localhost"]


def test_the_deployment_check_finds_nothing_wrong_with_our_settings() -> None:
    finished = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **RIGHT, "SECRET_KEY": secrets.token_urlsafe(50)},
        capture_output=True, check=False,
    )  # fmt: skip

    report = (finished.stdout + finished.stderr).decode()
    assert "System check identified" in report
    # The owner of the domain must decide about subdomains and browsers' preload lists.
    assert set(re.findall(r"\w+\.[EW]\d+", report)) <= {
        "security.W005",
        "security.W021",
    }
