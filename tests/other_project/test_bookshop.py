"""The promise holds for a project that shares nothing with this one but the versioned cache."""

import re
from collections import Counter
from functools import partial
from itertools import pairwise
from typing import Any

from tests.other_project.surroundings import Shop, Surroundings, Valkey
from tests.processes import eventually

LEASE_SECONDS = 5.0  # the default of CACHE_LEASE_MS
OF_OTHERS = re.compile(r"(procedures|runs|access|rest|procedures_project)(\..*)?")
SOURCES = {"memory", "redis", "database", "fallback"}


def source_of(shop: Shop, path: str) -> str:
    """Read a path, and return where the body came from."""
    timing = re.fullmatch(r'cache;desc="(\w+)";dur=[\d.]+', shop.get(path).headers["Server-Timing"])
    assert timing
    return timing[1]


def comes_from(shop: Shop, path: str, source: str) -> bool:
    """Read a path, and tell whether the body came from there."""
    return source_of(shop, path) == source


def prices_in_list(shop: Shop) -> dict[str, str]:
    """Read the list, and return the price of each book."""
    return {book["slug"]: book["price"] for book in shop.get("/books").raise_for_status().json()}


def shows(shop: Shop, slug: str, price: str) -> bool:
    """Tell whether both the book and the list have the price."""
    return shop.price(slug) == prices_in_list(shop)[slug] == price


# Freshness


def test_a_write_is_seen_by_the_next_read_of_every_process(shops: tuple[Shop, Shop], slug: str) -> None:
    for price in ("1.00", "2.00", "3.00", "4.00"):
        writer, reader = shops
        writer.put(slug, title="Dune", price=price)

        assert shows(reader, slug, price)
        assert shows(writer, slug, price)
        shops = (reader, writer)


def test_what_was_deleted_is_gone_for_every_process(shops: tuple[Shop, Shop], slug: str) -> None:
    for shop in shops:
        assert slug in prices_in_list(shop)
        assert shop.price(slug) == "12.50"

    shops[0].client.delete(f"/books/{slug}").raise_for_status()

    for shop in shops:
        assert slug not in prices_in_list(shop)
        assert shop.get(f"/books/{slug}").status_code == 404


def test_a_write_past_the_project_is_seen_within_the_lease(
    shops: tuple[Shop, Shop], slug: str, surroundings: Surroundings
) -> None:
    for shop in shops:
        assert shows(shop, slug, "12.50")

    surroundings.execute("UPDATE books_book SET price = 9.90 WHERE slug = %s", slug)

    for shop in shops:
        eventually(partial(shows, shop, slug, "9.90"), LEASE_SECONDS)


def test_a_write_that_is_refused_changes_nothing(shop: Shop, slug: str) -> None:
    tag = shop.get(f"/books/{slug}").headers["ETag"]

    assert shop.client.put(f"/books/{slug}", json={"title": "Dune", "price": "dear"}).status_code == 400

    assert shop.get(f"/books/{slug}").headers["ETag"] == tag


# HTTP


def test_a_client_with_the_current_version_is_answered_304(shops: tuple[Shop, Shop], slug: str) -> None:
    for path in ("/books", f"/books/{slug}"):
        tag = shops[0].get(path).headers["ETag"]

        for shop in shops:
            answer = shop.get(path, **{"If-None-Match": tag})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)


def test_a_client_with_an_earlier_version_is_answered_with_the_new_one(shops: tuple[Shop, Shop], slug: str) -> None:
    writer, reader = shops
    tag = reader.get(f"/books/{slug}").headers["ETag"]

    writer.put(slug, title="Dune", price="1.00")
    answer = reader.get(f"/books/{slug}", **{"If-None-Match": tag})

    assert (answer.status_code, answer.json()["price"]) == (200, "1.00")
    assert answer.headers["ETag"] != tag


def test_what_the_process_has_is_answered_ahead_of_django_with_the_same_bytes(shop: Shop, slug: str) -> None:
    by_django, by_fast_path = shop.get(f"/books/{slug}"), shop.get(f"/books/{slug}")

    assert "Allow" in by_django.headers  # REST framework names the methods with every answer
    assert "Allow" not in by_fast_path.headers
    assert by_fast_path.content == by_django.content
    assert by_fast_path.headers["ETag"] == by_django.headers["ETag"]


def test_a_body_is_built_once_for_all_processes(shops: tuple[Shop, Shop], slug: str) -> None:
    path = f"/books/{slug}"

    assert [source_of(shop, path) for shop in (*shops, *shops)] == ["database", "redis", "memory", "memory"]


# Without Redis


def test_without_redis_every_read_is_right_and_every_write_is_seen(
    shops: tuple[Shop, Shop], slug: str, valkey: Valkey
) -> None:
    assert shops[0].price(slug) == "12.50"
    valkey.end()

    for price in ("1.00", "2.00"):
        shops[0].put(slug, title="Dune", price=price)

        for shop in shops:
            assert shows(shop, slug, price)
            assert source_of(shop, f"/books/{slug}") == "fallback"
    assert shops[0].samples().total("bookshop_cache_errors_total", operation="invalidate") > 0
    assert shops[1].samples().total("bookshop_cache_errors_total", operation="read") > 0
    assert "bookshop_cache_unavailable" in {event["event"] for event in shops[1].events()}
    assert "bookshop_cache_invalidation_failed" in {event["event"] for event in shops[0].events()}


def test_when_redis_is_back_it_is_used_again(shops: tuple[Shop, Shop], slug: str, valkey: Valkey) -> None:
    valkey.end()
    shops[0].put(slug, title="Dune", price="1.00")
    valkey.start()

    for shop in shops:
        eventually(partial(comes_from, shop, f"/books/{slug}", "memory"))
        assert shop.price(slug) == "1.00"


# What it says


def test_its_series_have_its_names_and_all_their_children_from_the_start(
    surroundings: Surroundings, valkey: Valkey
) -> None:
    shop = Shop(surroundings).wait_until_ready()
    try:
        samples = shop.samples()
    finally:
        shop.end()

    kinds = {("list",), ("book",)}
    children = {name: samples.labels_of(f"bookshop_cache_{name}") for name in ("hits_total", "misses_total")}
    assert children == {"hits_total": kinds, "misses_total": kinds}
    for name in ("store_total", "invalidations_total", "stale_total"):
        assert samples.labels_of(f"bookshop_cache_{name}") == kinds
    assert samples.labels_of("bookshop_cache_errors_total") == {("read",), ("store",), ("invalidate",)}
    assert samples.labels_of("bookshop_cache_fetch_seconds_count") == {
        (kind, source) for (kind,) in kinds for source in SOURCES
    }
    assert not samples.names_with("backend_procedure") | samples.names_with("versioned_cache")


def test_each_read_and_each_write_is_counted_once(shop: Shop, slug: str) -> None:
    def counts() -> Counter[str]:
        samples, names = shop.samples(), ("hits", "misses", "store", "invalidations")
        return Counter({name: int(samples.total(f"bookshop_cache_{name}_total", resource="book")) for name in names})

    scrapes = [counts()]
    for act in (lambda: shop.price(slug), lambda: shop.price(slug), lambda: shop.put(slug, title="Dune", price="1")):
        act()
        scrapes.append(counts())

    changes = [after - before for before, after in pairwise(scrapes)]
    assert changes == [{"misses": 1, "store": 1}, {"hits": 1}, {"invalidations": 1}]


def test_its_events_have_its_names_and_give_key_version_and_source(
    shop: Shop, slug: str, surroundings: Surroundings
) -> None:
    seen = len(shop.events())
    name = f"bookshop:book:{slug}"
    ((version,),) = surroundings.execute("SELECT version FROM resource_version WHERE resource = %s", name)

    shop.price(slug)
    shop.price(slug)
    shop.put(slug, title="Dune", price="1.00")

    events = [event for event in shop.events()[seen:] if event["resource"] == "book"]
    assert [(event["event"], event["key"], event["version"], event.get("source")) for event in events] == [
        ("bookshop_cache_miss", f"{name}:v{version}", version, "database"),
        ("bookshop_cache_hit", f"{name}:v{version}", version, "memory"),
        ("bookshop_cache_invalidated", f"{name}:version", version + 1, None),
    ]


# What lies in Redis


def test_redis_has_the_declared_keys_and_no_others(
    shop: Shop, slug: str, valkey: Valkey, surroundings: Surroundings
) -> None:
    valkey.client.flushdb()
    shop.put(slug, title="Dune", price="1.00")  # what the process has under this version nobody has read
    list_body, book_body = shop.get("/books").content, shop.get(f"/books/{slug}").content

    versions = dict(surroundings.execute("SELECT resource, version FROM resource_version"))
    contents: dict[str, Any] = {key.decode(): valkey.client.get(key) for key in valkey.client.scan_iter()}

    names = ("bookshop:list", f"bookshop:book:{slug}")
    assert {key: value for key, value in contents.items() if key.endswith(":version")} == {
        f"{name}:version": str(versions[name]).encode() for name in names
    }
    assert {key: value.partition(b"\n")[2] for key, value in contents.items() if not key.endswith(":version")} == {
        f"bookshop:list:v{versions['bookshop:list']}": list_body,
        f"bookshop:book:{slug}:v{versions[f'bookshop:book:{slug}']}": book_body,
    }


# What it is made of


def test_no_module_of_the_procedures_service_is_loaded(shops: tuple[Shop, Shop], slug: str) -> None:
    shops[1].price(slug)

    modules = shops[1].get("/modules").json()

    assert {"books.views", "versioned_cache.engine", "versioned_cache.http.fast_path"} <= set(modules)
    assert [module for module in modules if OF_OTHERS.fullmatch(module)] == []


def test_operators_have_their_commands(shop: Shop, slug: str, surroundings: Surroundings) -> None:
    shop.price(slug)

    inspected = surroundings.run("python", "-m", "django", "inspect_cache", f"bookshop:book:{slug}")
    audited = surroundings.run("python", "-m", "django", "audit_cache")
    bumped = surroundings.run("python", "-m", "django", "bump_cache", "--all")

    assert "bytes, shape" in inspected
    assert "0 stale" in audited
    assert "Bumped: " in bumped
    assert source_of(shop, f"/books/{slug}") == "database"


def test_the_schema_is_what_the_models_say(surroundings: Surroundings) -> None:
    assert "No changes detected" in surroundings.run("python", "-m", "django", "makemigrations", "--check", "--dry-run")


def test_a_migrated_database_can_be_migrated_again(surroundings: Surroundings) -> None:
    assert "No migrations to apply" in surroundings.run("python", "-m", "django", "migrate")


def test_the_checks_find_nothing_wrong_with_the_project_and_its_database(surroundings: Surroundings) -> None:
    checked = surroundings.run("python", "-m", "django", "check", "--database", "default", "--fail-level", "WARNING")

    assert "no issues" in checked
