"""The audit finds what must never be there, and nothing else."""

import io

import pytest
from django.core.management import CommandError, call_command
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import FINGERPRINT, procedure_resource, read_procedure
from procedures.models import Procedure
from tests import factories
from versioned_cache.audit import Verdict, audit
from versioned_cache.payload_store import PayloadStore
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")


@pytest.fixture
def cached(redis: Redis, settings: Settings) -> int:
    """The version of a procedure that has been read; leases are short."""
    settings.CACHE_LEASE_MS = 200
    factories.publish(factories.body("gibson"))
    redis.flushdb()
    read_procedure(key="gibson")
    return committed_version(GIBSON) or 0


def stale() -> float:
    """Return how many stale bodies were counted."""
    return REGISTRY.get_sample_value("backend_procedure_cache_stale_total", {"resource": "procedure"}) or 0.0


def plant(store: Store, version: int) -> None:
    """Store a wrong body under a version, and make sure that it is believed."""
    PayloadStore(store).store_payload(GIBSON, version, FINGERPRINT, b"wrong")
    store.bump({GIBSON: version}, store.clock_ms(GIBSON, bypass_breaker=True) + 60_000, bypass_breaker=True)


def test_what_is_right_matches(cached: int, store: Store) -> None:
    assert audit(GIBSON, store).verdict is Verdict.MATCH


def test_what_nobody_reads_is_not_cached(cached: int, store: Store, redis: Redis) -> None:
    redis.flushdb()

    assert audit(GIBSON, store).verdict is Verdict.UNCACHED


def test_a_wrong_body_is_found_though_no_lease_runs(cached: int, store: Store, redis: Redis) -> None:
    PayloadStore(store).store_payload(GIBSON, cached, FINGERPRINT, b"wrong")
    redis.delete(GIBSON.counter_key)

    assert audit(GIBSON, store).verdict is Verdict.STALE


def test_a_sample_is_not_negative() -> None:
    with pytest.raises(CommandError, match="negative"):
        call_command("audit_cache", "--sample", "-1")


def test_a_counter_that_is_behind_is_excused_by_its_lease(cached: int, store: Store) -> None:
    Procedure.objects.update(tags=["unseen"])
    before = stale()

    finding = audit(GIBSON, store)

    assert finding.verdict is not Verdict.STALE
    assert stale() == before


def test_a_body_that_differs_under_its_own_version_is_stale(
    cached: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, cached)
    monkeypatch.setattr("versioned_cache.audit.time.sleep", lambda _: None)
    before = stale()

    finding = audit(GIBSON, store)

    assert finding.verdict is Verdict.STALE
    assert stale() == before + 1


def test_a_counter_that_outlives_its_lease_is_stale(cached: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.bump({GIBSON: cached}, store.clock_ms(GIBSON, bypass_breaker=True) + 60_000, bypass_breaker=True)
    Procedure.objects.update(tags=["unseen"])
    monkeypatch.setattr("versioned_cache.audit.time.sleep", lambda _: None)

    assert audit(GIBSON, store).verdict is Verdict.STALE


def test_the_command_counts_verdicts(cached: int) -> None:
    output = io.StringIO()

    call_command("audit_cache", "--sample", "100000", stdout=output)

    assert "1 match" in output.getvalue()
    assert "0 stale" in output.getvalue()


def test_the_command_fails_and_logs_it_when_something_is_stale(
    cached: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, cached)
    monkeypatch.setattr("versioned_cache.audit.time.sleep", lambda _: None)

    with capture_logs() as logs, pytest.raises(CommandError, match="Stale"):
        call_command("audit_cache", "--sample", "100000", stdout=io.StringIO(), stderr=io.StringIO())

    found = [line for line in logs if line["event"] == "procedure_cache_stale"]
    assert [(line["resource"], line["key"]) for line in found] == [("procedure", "procedures:procedure:gibson")]
