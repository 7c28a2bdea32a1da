"""Versions reach Redis when, and only when, the writing transaction has committed."""

from pathlib import Path

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, transaction
from prometheus_client import REGISTRY
from redis import Redis

from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures.models import Procedure
from tests import factories
from tests.conftest import ApiClient
from versioned_cache.invalidation import invalidate_on_commit
from versioned_cache.keys import Resource
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")


@pytest.fixture
def procedure(redis: Redis) -> Procedure:
    """A published procedure that Redis knows nothing of."""
    procedure = factories.publish(factories.body("gibson"))
    redis.flushdb()
    return procedure


def held(redis: Redis, resource: Resource) -> int | None:
    """Return the number in the resource's counter."""
    number = redis.get(resource.counter_key)
    return None if number is None else int(number)


def invalidations() -> float:
    """Return how many bumps of the list were counted."""
    return REGISTRY.get_sample_value("backend_procedure_cache_invalidations_total", {"resource": "list"}) or 0.0


def test_a_write_in_autocommit_bumps_at_once(procedure: Procedure, redis: Redis) -> None:
    procedure.save()

    assert held(redis, GIBSON) == committed_version(GIBSON)
    assert held(redis, PROCEDURE_LIST) == committed_version(PROCEDURE_LIST)


def test_a_write_in_a_transaction_bumps_only_after_the_commit(procedure: Procedure, redis: Redis) -> None:
    with transaction.atomic():
        procedure.save()

        assert held(redis, GIBSON) is None
    assert held(redis, GIBSON) == committed_version(GIBSON)


def test_a_rolled_back_transaction_bumps_nothing(procedure: Procedure, redis: Redis) -> None:
    with transaction.atomic():
        procedure.save()
        transaction.set_rollback(True)

    assert redis.dbsize() == 0


def test_a_rolled_back_savepoint_bumps_nothing_though_the_transaction_commits(
    procedure: Procedure, redis: Redis
) -> None:
    with transaction.atomic(), transaction.atomic():
        procedure.save()
        transaction.set_rollback(True)

    assert redis.dbsize() == 0


def test_what_was_written_around_a_rolled_back_savepoint_is_bumped(procedure: Procedure, redis: Redis) -> None:
    other = factories.publish(factories.body("other"))
    redis.flushdb()

    with transaction.atomic():
        procedure.save()
        with transaction.atomic():
            other.save()
            transaction.set_rollback(True)

    assert held(redis, GIBSON) == committed_version(GIBSON)
    assert held(redis, procedure_resource("other")) is None


def test_what_was_written_in_a_released_savepoint_is_bumped(procedure: Procedure, redis: Redis) -> None:
    with transaction.atomic(), transaction.atomic():
        procedure.save()

    assert held(redis, GIBSON) == committed_version(GIBSON)


def test_a_resource_is_bumped_once_a_transaction(procedure: Procedure) -> None:
    before = invalidations()

    with transaction.atomic():
        procedure.save()
        with transaction.atomic():
            procedure.save()
        procedure.save()

    assert invalidations() == before + 1


def test_all_bumps_of_a_transaction_share_one_round_trip(procedure: Procedure, redis: Redis) -> None:
    keys = [f"other-{number}" for number in range(5)]
    reads_before = redis.info("stats")["total_reads_processed"]

    with transaction.atomic():
        for key in keys:
            with transaction.atomic():
                factories.publish(factories.body(key))

    # A bump asks the time, and then sends all its scripts in one pipeline; the third is this question itself.
    assert redis.info("stats")["total_reads_processed"] - reads_before == 3
    assert all(held(redis, procedure_resource(key)) for key in keys)


def test_a_failing_hook_of_another_app_does_not_keep_it_from_raising(procedure: Procedure, redis: Redis) -> None:
    @transaction.atomic
    def write() -> None:
        transaction.on_commit(lambda: 1 // 0)
        procedure.save()

    with pytest.raises(ZeroDivisionError):
        write()

    assert held(redis, GIBSON) == committed_version(GIBSON)


def test_other_hooks_find_the_bump_done(procedure: Procedure, redis: Redis) -> None:
    seen: list[int | None] = []

    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(held(redis, GIBSON)))
        procedure.save()

    assert seen == [committed_version(GIBSON)]


def test_nothing_stays_queued_after_a_lost_connection(procedure: Procedure, redis: Redis) -> None:
    @transaction.atomic
    def write() -> None:
        invalidate_on_commit(GIBSON)
        connection.close()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    with transaction.atomic():
        pass

    assert redis.dbsize() == 0


def test_a_fixture_that_is_loaded_bumps(procedure: Procedure, redis: Redis, tmp_path: Path) -> None:
    fixture = tmp_path / "procedures.json"
    fixture.write_text(serializers.serialize("json", [procedure]))

    call_command("loaddata", str(fixture), verbosity=0)

    assert held(redis, GIBSON) == committed_version(GIBSON)


def test_requests_in_one_transaction_each_bump_after_it(
    procedure: Procedure, redis: Redis, author: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    before = committed_version(GIBSON) or 0

    answer = author.put("/procedures/gibson", factories.body("gibson", title="New"), headers={"If-Match": "*"})

    assert answer.status_code == 200
    assert held(redis, GIBSON) == committed_version(GIBSON) == before + 1
    assert answer.headers["ETag"].startswith(f'"{before + 1}-')


def test_a_refused_request_in_one_transaction_bumps_nothing(
    procedure: Procedure, redis: Redis, author: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    before = committed_version(GIBSON)

    answer = author.put("/procedures/gibson", factories.body("gibson", title=""), headers={"If-Match": "*"})

    assert answer.status_code == 400
    assert committed_version(GIBSON) == before
    assert held(redis, GIBSON) is None
