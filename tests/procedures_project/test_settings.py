"""The settings read their environment strictly: a wrong or missing value stops the start and says why."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

RIGHT = {
    "SECRET_KEY": "x" * 32,
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


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is required"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is required"),
        ({"SECRET_KEY": "x" * 31}, "SECRET_KEY is too short"),
        ({"DATABASE_URL": None}, "DATABASE_URL is required"),
        ({"REDIS_URL": None}, "REDIS_URL is required"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS must name the hosts"),
        ({"ALLOWED_HOSTS": " , "}, "ALLOWED_HOSTS must name the hosts"),
        ({"ALLOWED_HOSTS": "*"}, "* is not allowed"),
        ({"ALLOWED_HOSTS": "a.example,*"}, "* is not allowed"),
        ({"INSECURE_HTTP": "true"}, "INSECURE_HTTP must be 0 or 1, not 'true'"),
        ({"METRICS_OPEN_TO_LOOPBACK": "yes"}, "METRICS_OPEN_TO_LOOPBACK must be 0 or 1"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be console or json"),
        ({"CACHE_LEASE_MS": "99"}, "CACHE_LEASE_MS must be at least 100"),
        ({"LOGIN_FAILURES": "0"}, "LOGIN_FAILURES must be at least 1"),
        ({"LOGIN_LOCKOUT_MINUTES": "0"}, "LOGIN_LOCKOUT_MINUTES must be at least 1"),
        ({"TOKEN_WRITES_PER_MINUTE": "-1"}, "TOKEN_WRITES_PER_MINUTE must be a whole number"),
        ({"TRUSTED_PROXIES": "10.0.0.1,nginx"}, "TRUSTED_PROXIES must name addresses, networks or unix: 'nginx'"),
    ],
)
def test_production_refuses_to_start(changes: dict[str, str | None], complaint: str) -> None:
    finished = loaded("None", **changes)

    assert finished.returncode != 0
    assert "ImproperlyConfigured" in finished.stderr.decode()
    assert complaint in finished.stderr.decode()


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


def test_options_in_the_uri_come_after_ours_and_remove_none() -> None:
    url = "postgresql://db/x?options=-c%20lock_timeout%3D9s"

    options = value_of("s.DATABASES['default']['OPTIONS']['options']", DATABASE_URL=url)

    assert "idle_in_transaction_session_timeout" in options
    assert options.index("lock_timeout=2s") < options.index("lock_timeout=9s")


def test_lists_are_split_at_commas_without_blanks() -> None:
    assert value_of("s.ALLOWED_HOSTS") == ["procedures.example.com", "localhost"]


def test_the_deployment_check_finds_nothing_wrong_with_our_settings() -> None:
    finished = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **RIGHT, "SECRET_KEY": "aB3$xY7!" * 8},
        capture_output=True, check=False,
    )  # fmt: skip

    report = (finished.stdout + finished.stderr).decode()
    assert "System check identified" in report
    # The owner of the domain must decide about subdomains and browsers' preload lists.
    assert set(re.findall(r"\w+\.[EW]\d+", report)) <= {
        "security.W005",
        "security.W021",
    }
