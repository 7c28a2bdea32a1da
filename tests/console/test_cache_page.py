"""How the cache is, as supervisors see it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from redis import Redis

from access.roles import Role
from console.cache_pages import MOST_OF_A_KIND, cache_of_now
from procedures.caches import PROCEDURE_LIST, procedure_resource, read_procedure_list
from tests.console.conftest import Browser
from tests.factories import body, publish
from versioned_cache.breaker import FAILURES_TO_OPEN, CacheUnavailable
from versioned_cache.engine import cache
from versioned_cache.versions import committed_version

CACHE = "/console/cache"

committed = pytest.mark.django_db(transaction=True)  # inside a transaction nothing is cached


@committed
def test_it_shows_the_version_that_redis_has_and_for_how_long(browser_of: Browser) -> None:
    publish(body("mixing", title="Mixing"))
    read_procedure_list()
    version = committed_version(PROCEDURE_LIST)

    page = browser_of(Role.SUPERVISOR).get(CACHE).content.decode()

    assert page.count(str(version)) >= 2  # in PostgreSQL and in Redis
    assert " ms</td>" in page
    assert re.search(r"(bytes|KB), \d+ s old", page)
    assert "Mixing" in page
    assert "behind" not in page


def test_a_counter_that_a_bump_did_not_reach_is_said_to_be_behind(browser_of: Browser, redis: Redis) -> None:
    publish(body("mixing"))
    redis.set(PROCEDURE_LIST.counter_key, (committed_version(PROCEDURE_LIST) or 0) - 1, px=60_000)

    assert ">behind<" in browser_of(Role.SUPERVISOR).get(CACHE).content.decode()


def test_something_else_under_the_key_of_a_counter_is_not_a_counter(browser_of: Browser, redis: Redis) -> None:
    publish(body("mixing"))
    for resource in (PROCEDURE_LIST, procedure_resource("mixing")):
        redis.delete(resource.counter_key)
        redis.lpush(resource.counter_key, "x")

    page = browser_of(Role.SUPERVISOR).get(CACHE).content.decode()

    assert page.count("none: nobody asked") == 2
    assert page.count("never ends") == 2


@committed
def test_it_counts_hits_misses_and_where_bodies_came_from(redis: Redis) -> None:
    def reads_of_the_list() -> Any:
        return next(reads for reads in cache_of_now().figures.reads if reads.label == "list")

    publish(body("mixing"))
    before = reads_of_the_list()
    for _ in range(3):
        read_procedure_list()

    after = reads_of_the_list()

    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
    assert after.by_source["memory"] - before.by_source["memory"] == 2
    assert 0 < after.hit_percent < 100
    assert after.mean_ms > 0


def test_without_redis_it_says_so_and_shows_what_postgresql_knows(browser_of: Browser) -> None:
    publish(body("mixing"))
    client = browser_of(Role.SUPERVISOR)
    cache.store.breaker.distrust(CacheUnavailable("gone"))
    try:
        page = client.get(CACHE).content.decode()
    finally:
        cache.look()

    assert "Redis is unusable." in page
    assert str(committed_version(PROCEDURE_LIST)) in page
    assert "not known" in page


def test_looks_that_fail_teach_the_breaker_nothing(browser_of: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(server: str) -> None:
        raise CacheUnavailable(server)

    client = browser_of(Role.SUPERVISOR)
    monkeypatch.setattr(cache.store, "connect", refuse)
    for _ in range(FAILURES_TO_OPEN):
        assert "Redis is unusable." in client.get(CACHE).content.decode()

    assert not cache.store.breaker.is_open


def test_the_verdict_on_the_ledger_is_that_of_the_last_check(browser_of: Browser) -> None:
    client = browser_of(Role.SUPERVISOR)
    call_command("verify_ledger", verbosity=0)

    assert "whole, " in client.get(CACHE).content.decode()


def test_more_procedures_cost_no_more_statements(
    browser_of: Browser, django_assert_num_queries: Callable[..., Any]
) -> None:
    client = browser_of(Role.SUPERVISOR)
    publish(body("mixing"))
    client.get(CACHE)
    with django_assert_num_queries(9):  # session, user, rights (2), list, procedures, runs, versions, the time
        client.get(CACHE)
    for number in range(MOST_OF_A_KIND):
        publish(body(f"mixing-{number}"))
    with django_assert_num_queries(9):
        page = client.get(CACHE).content.decode()

    assert page.count("procedures:procedure:") == MOST_OF_A_KIND


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.AUTHOR])
def test_it_is_for_supervisors(browser_of: Browser, role: Role) -> None:
    assert browser_of(role).get(CACHE).status_code == 403
