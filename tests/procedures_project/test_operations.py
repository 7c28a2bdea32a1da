"""Liveness, readiness and metrics."""

import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from tests.conftest import ApiClient

# Answered in a process whose settings lead nowhere: port 1 refuses every connection.
ASK = """
import json, sys
import django
django.setup()
from django.test import Client
answer = Client().get(sys.argv[1], headers={"Authorization": "Bearer prc_any"})
retry_after = answer.headers.get("Retry-After")
print(json.dumps([answer.status_code, answer.headers["Content-Type"], retry_after, answer.json()]))
"""
NOWHERE = {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def asked(path: str, **environment: str) -> tuple[int, str, str | None, dict[str, Any]]:
    """Ask a separate process with another environment; return status, type, Retry-After and body."""
    finished = subprocess.run(
        [sys.executable, "-c", ASK, path],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "procedures_project.settings", **environment},
        capture_output=True, check=True,
    )  # fmt: skip
    status, content_type, retry_after, content = json.loads(finished.stdout)
    return status, content_type, retry_after, content


def test_healthz_asks_nobody(anonymous: ApiClient, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = anonymous.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_healthz_is_ok_although_everything_else_is_down() -> None:
    status, _, _, content = asked("/healthz", **NOWHERE)

    assert (status, content) == (200, {"status": "ok"})


def test_readyz_reports_that_both_servers_answer(anonymous: ApiClient) -> None:
    answer = anonymous.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "postgresql": "ok", "redis": "ok"})


@pytest.fixture
def database_url(db: None) -> str:
    """The URL of the database that the tests use, which has all tables."""
    return psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])


def test_readyz_is_degraded_but_ready_without_redis(database_url: str) -> None:
    status, _, _, content = asked("/readyz", REDIS_URL=NOWHERE["REDIS_URL"], DATABASE_URL=database_url)

    assert (status, content) == (200, {"status": "degraded", "postgresql": "ok", "redis": "down"})


def test_readyz_is_503_without_postgresql() -> None:
    status, _, _, content = asked("/readyz", DATABASE_URL=NOWHERE["DATABASE_URL"])

    assert (status, content) == (503, {"status": "unavailable", "postgresql": "down", "redis": "ok"})


def test_readyz_is_503_on_a_database_without_tables() -> None:
    status, _, _, content = asked("/readyz")

    assert (status, content) == (503, {"status": "unavailable", "postgresql": "migrations pending", "redis": "ok"})


def test_readyz_is_degraded_but_ready_while_postgresql_takes_no_writes(database_url: str) -> None:
    read_only = f"{database_url} options='-c default_transaction_read_only=on'"

    status, _, _, content = asked("/readyz", DATABASE_URL=read_only)

    assert (status, content) == (200, {"status": "degraded", "postgresql": "read-only", "redis": "ok"})


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_while_a_trigger_sleeps(anonymous: ApiClient) -> None:
    switch = "ALTER TABLE runs_run {} TRIGGER run_raises_version"
    with connection.cursor() as cursor:
        cursor.execute(switch.format("DISABLE"))
        try:
            answer = anonymous.get("/readyz")
        finally:
            cursor.execute(switch.format("ENABLE ALWAYS"))

    assert (answer.status_code, answer.json()["postgresql"]) == (503, "triggers missing")


def test_readyz_is_degraded_while_redis_refuses_writes(anonymous: ApiClient, redis: Redis) -> None:
    redis.config_set("min-replicas-to-write", 1)
    try:
        answer = anonymous.get("/readyz")
    finally:
        redis.config_set("min-replicas-to-write", 0)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "degraded",
            "postgresql": "ok",
            "redis": "refuses bumps",
            "redis_reason": "NOREPLICAS: it waits for its replicas",
        },
    )


def test_the_api_is_503_with_retry_after_without_postgresql() -> None:
    status, content_type, retry_after, content = asked("/runs", DATABASE_URL=NOWHERE["DATABASE_URL"])

    assert (status, content_type, retry_after) == (503, "application/problem+json", "1")
    assert content["type"] == "/problems/unavailable"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FOO"])
def test_a_probe_is_only_read(anonymous: ApiClient, path: str, method: str) -> None:
    answer = anonymous.generic(method, path)

    assert answer.status_code == 405
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_metrics_are_open_to_loopback_if_the_settings_say_so(anonymous: ApiClient, settings: Any, address: str) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK = True

    answer = anonymous.get("/metrics", REMOTE_ADDR=address)

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert b"backend_procedure_cache_hits_total" in answer.content
    assert b"django_http_responses_total_by_status_view_method_total" in answer.content


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_metrics_are_not_open_to_clients_that_claim_to_be_loopback(anonymous: ApiClient, header: str) -> None:
    answer = anonymous.get("/metrics", REMOTE_ADDR="192.0.2.7", headers={header: "127.0.0.1"})

    assert answer.status_code == 401


def test_metrics_are_closed_to_loopback_by_default(anonymous: ApiClient, settings: Any) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK = False

    answer = anonymous.get("/metrics", REMOTE_ADDR="127.0.0.1")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["type"] == "/problems/unauthenticated"


def test_the_metrics_token_opens_metrics(anonymous: ApiClient, settings: Any) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK, settings.METRICS_TOKEN = False, "scraper"

    answer = anonymous.get("/metrics", headers={"Authorization": "Bearer scraper"})

    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer scraper2", "scraper", "Bearer gr\xf6\xdfe", "Bearer ", ""])
def test_another_token_does_not_open_metrics(anonymous: ApiClient, settings: Any, header: str) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK, settings.METRICS_TOKEN = False, "scraper"

    assert anonymous.get("/metrics", headers={"Authorization": header}).status_code == 401


def test_an_empty_metrics_token_opens_nothing(anonymous: ApiClient, settings: Any) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK, settings.METRICS_TOKEN = False, ""

    assert anonymous.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_an_api_token_does_not_open_metrics(viewer: ApiClient, settings: Any) -> None:
    settings.METRICS_OPEN_TO_LOOPBACK, settings.METRICS_TOKEN = False, "scraper"

    assert viewer.get("/metrics").status_code == 401
