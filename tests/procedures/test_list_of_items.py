"""The list is made of its items: its bytes are a cold build's for ever, and what it costs follows what has changed."""

import gzip
from collections.abc import Callable, Sequence

import pytest
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import FINGERPRINT, PROCEDURE_LIST, PROCEDURES, procedure_resource, read_procedure
from procedures.models import Procedure, ProcedureStatus
from rest import exact_json
from tests import factories
from tests.factories import unhurried
from versioned_cache import composer, memory, payload_store
from versioned_cache.codings import Coding
from versioned_cache.composer import ItemSource
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

Processes = Callable[[], VersionedCache]


class CountedProcedures:
    """The procedures as the items of a list, and which of them were built."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.source = ItemSource(PROCEDURES.kind, PROCEDURES.identifiers, self._bodies)

    def _bodies(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.built += keys
        return dict(PROCEDURES.bodies(keys))

    def read(self, cache: VersionedCache) -> Representation:
        """Read the list in a process."""
        return cache.read(PROCEDURE_LIST, FINGERPRINT, self.source)


@pytest.fixture
def counted() -> CountedProcedures:
    return CountedProcedures()


@pytest.fixture
def keys(redis: Redis) -> list[str]:
    """The keys of some procedures, published before anybody has read."""
    keys = [f"procedure-{number}" for number in range(5)]
    for key in keys:
        factories.publish(factories.body(key))
    return keys


def read_item(cache: VersionedCache, key: str, *, must_hit: bool = False) -> Representation:
    """Read one procedure in a process."""

    def fetch() -> bytes:
        assert not must_hit, "it was built again"
        return read_procedure.body_of(procedure_resource(key)) or b""

    return cache.read(procedure_resource(key), FINGERPRINT, fetch)


PUBLISH, ARCHIVE, REACTIVATE, TAG, BULK, READ_ITEM, READ_LIST, EXPIRE = range(8)
operations = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), min_size=1, max_size=12)


def operate(operation: int, key: str, number: int, cache: VersionedCache, redis: Redis) -> None:
    """Do something that the list may have to show, or that a list could be made of."""
    heads = Procedure.objects.filter(key=key)
    if operation == PUBLISH:
        factories.publish(factories.body(key, title=f"Number {number}"))
    elif operation == ARCHIVE and heads.filter(status=ProcedureStatus.ACTIVE).exists():
        factories.archive(key)
    elif operation == REACTIVATE:
        heads.update(status=ProcedureStatus.ACTIVE)
        cache.invalidate([PROCEDURE_LIST, procedure_resource(key)])
    elif operation == TAG:
        heads.update(tags=[f"tag-{number}"])
        cache.invalidate([PROCEDURE_LIST, procedure_resource(key)])
    elif operation == BULK:
        Procedure.objects.update(tags=[f"tag-{number}"])
        cache.invalidate([PROCEDURE_LIST, *(procedure_resource(one.key) for one in Procedure.objects.all())])
    elif operation == READ_ITEM and heads.exists():
        assert read_item(cache, key).body == read_procedure.body_of(procedure_resource(key))
    elif operation == READ_LIST:
        cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
    elif operation == EXPIRE:
        redis.flushdb()


@settings(unhurried, max_examples=60, suppress_health_check=list(HealthCheck))
@given(operations)
def test_it_is_a_cold_builds_whatever_was_written_before(
    redis: Redis, process: Processes, sequence: list[tuple[int, int]]
) -> None:
    caches = [process(), process()]
    for number, (operation, which) in enumerate(sequence):
        operate(operation, f"procedure-{which}", number, caches[number % 2], redis)

        for cache in (*caches, process()):
            found = cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
            assert found.body == PROCEDURES()
            assert found.version == committed_version(PROCEDURE_LIST)
            assert gzip.decompress(b"".join(cache.coded(found, Coding.GZIP))) == found.body


def test_only_what_has_changed_is_built(process: Processes, counted: CountedProcedures, keys: list[str]) -> None:
    cache = process()
    counted.read(cache)
    counted.built.clear()
    factories.publish(factories.body(keys[2], title="Changed"))

    found = counted.read(cache)

    assert counted.built == [keys[2]]
    assert found.body == PROCEDURES()
    assert found.source is Source.DATABASE


def test_what_was_read_itself_is_not_built_for_the_list(
    process: Processes, counted: CountedProcedures, keys: list[str]
) -> None:
    cache = process()
    for key in keys[1:]:
        read_item(cache, key)

    found = counted.read(cache)

    assert counted.built == [keys[0]]
    assert found.body == PROCEDURES()


def test_what_the_list_was_made_of_is_not_built_for_itself(
    process: Processes, counted: CountedProcedures, keys: list[str]
) -> None:
    cache = process()
    counted.read(cache)

    for key in keys:
        found = read_item(cache, key, must_hit=True)

        assert (found.body, found.source) == (read_procedure.body_of(procedure_resource(key)), Source.MEMORY)


def test_an_item_of_an_older_list_is_not_taken_for_the_present_one(process: Processes, keys: list[str]) -> None:
    cache = process()
    cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
    factories.publish(factories.body(keys[0], title="Changed"))

    assert b'"Changed"' in (read_item(cache, keys[0]).body or b"")


@pytest.fixture
def commands(redis: Redis) -> Callable[[], dict[str, int]]:
    """Return how often each command was sent to Redis since it was called last."""

    def counted() -> dict[str, int]:
        calls = {name.removeprefix("cmdstat_"): told["calls"] for name, told in redis.info("commandstats").items()}
        redis.config_resetstat()
        return calls

    return counted


def refuse_statements(*_arguments: object) -> None:
    """Stand for PostgreSQL, which must not be asked."""
    pytest.fail("PostgreSQL was asked")


def test_another_process_fetches_what_it_does_not_have(
    process: Processes, counted: CountedProcedures, keys: list[str], commands: Callable[[], dict[str, int]]
) -> None:
    here, there = process(), process()
    for cache in (here, there):
        counted.read(cache)
    factories.publish(factories.body(keys[2], title="Changed"))
    counted.read(here)
    commands()

    with connection.execute_wrapper(refuse_statements):
        found = counted.read(there)

    assert commands()["getrange"] == 3  # whether the body is there, the index, and one item out of the body
    assert (found.body, found.source) == (PROCEDURES(), Source.REDIS)


def test_a_process_that_has_nothing_fetches_a_short_body_with_its_index(
    process: Processes, counted: CountedProcedures, keys: list[str], commands: Callable[[], dict[str, int]]
) -> None:
    counted.read(process())
    commands()

    found = counted.read(process())

    assert commands()["getrange"] == 2
    assert (found.body, found.source) == (PROCEDURES(), Source.REDIS)


@pytest.mark.parametrize("piece_bytes", [1, 1_000, 1_048_576])
def test_a_process_that_has_nothing_fetches_everything(
    process: Processes, counted: CountedProcedures, keys: list[str], monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(composer, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(payload_store, "PIECE_BYTES", 1_000)
    counted.read(process())
    there = process()

    with connection.execute_wrapper(refuse_statements):
        found = counted.read(there)
        items = [read_item(there, key, must_hit=True).body for key in keys]

    assert (found.body, found.source) == (PROCEDURES(), Source.REDIS)
    assert items == [read_procedure.body_of(procedure_resource(key)) for key in keys]


@pytest.mark.parametrize("damage", [b"x", b""])
def test_a_damaged_item_is_not_served(
    process: Processes, counted: CountedProcedures, keys: list[str], redis: Redis, damage: bytes
) -> None:
    version = counted.read(process()).version or 0
    key = PROCEDURE_LIST.payload_key(version)
    stored = redis.get(key)
    assert isinstance(stored, bytes)
    redis.set(key, stored[:60] + damage + stored[61:], px=60_000)

    found = counted.read(process())

    assert (found.body, found.source) == (PROCEDURES(), Source.DATABASE)


def test_an_index_that_is_damaged_costs_a_build(process: Processes, keys: list[str], redis: Redis) -> None:
    version = process().read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES).version or 0
    redis.append(PROCEDURE_LIST.index_key(version, FINGERPRINT), b" ")

    found = process().read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

    assert (found.body, found.source) == (PROCEDURES(), Source.DATABASE)


@pytest.fixture
def oversize(settings: Settings) -> None:
    """No list may be stored as a whole."""
    settings.CACHE_MAX_PAYLOAD_BYTES = 100


def count(name: str, kind: str) -> float:
    """Return what the cache has counted of a kind."""
    return REGISTRY.get_sample_value(f"backend_procedure_cache_{name}_total", {"resource": kind}) or 0.0


@pytest.mark.usefixtures("oversize")
def test_what_is_too_long_for_redis_is_shared_by_its_items(
    process: Processes, counted: CountedProcedures, keys: list[str], redis: Redis
) -> None:
    counted.read(process())
    counted.built.clear()

    with connection.execute_wrapper(refuse_statements):
        found = counted.read(process())

    assert (found.body, found.source, counted.built) == (PROCEDURES(), Source.REDIS, [])
    assert redis.exists(PROCEDURE_LIST.payload_key(found.version or 0)) == 0
    assert redis.exists(*(procedure_resource(key).payload_key(version_of(key)) for key in keys)) == len(keys)
    assert redis.keys("*:fill:*") == []


def version_of(key: str) -> int:
    """Return the version of a procedure."""
    return committed_version(procedure_resource(key)) or 0


@pytest.mark.usefixtures("oversize")
def test_what_is_too_long_for_redis_is_reported_once_a_version(process: Processes, keys: list[str]) -> None:
    before = count("oversize", "list")

    with capture_logs() as logs:
        for cache in [process() for _ in range(3)]:
            cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

    (event,) = [entry for entry in logs if entry["event"] == "procedure_cache_payload_oversize"]
    assert (event["bytes"], event["limit"], event["resource"]) == (len(PROCEDURES()), 100, "list")
    assert count("oversize", "list") == before + 1


@pytest.mark.usefixtures("oversize")
def test_what_is_too_long_and_whose_items_are_gone_is_built(
    process: Processes, counted: CountedProcedures, keys: list[str], redis: Redis
) -> None:
    counted.read(process())
    redis.delete(procedure_resource(keys[0]).payload_key(version_of(keys[0])))

    found = counted.read(process())

    assert (found.body, found.source) == (PROCEDURES(), Source.DATABASE)


def test_what_is_larger_than_the_memory_is_served(
    process: Processes, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_BYTES", len(PROCEDURES()) - 1)
    cache = process()

    for number in range(3):
        factories.publish(factories.body(keys[0], title=f"Number {number}"))
        found = cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

        assert found.body == PROCEDURES()
        assert gzip.decompress(b"".join(cache.coded(found, Coding.GZIP))) == found.body
        assert cache.memory_bytes == 0


def test_the_gzip_form_is_given_up_where_the_memory_has_room_for_the_body_alone(
    process: Processes, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = process()
    monkeypatch.setattr(memory, "MAX_BYTES", 2 * len(PROCEDURES()))  # a short one is also held in one piece

    found = cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
    forms = [cache.coded(found, Coding.GZIP) for _ in range(2)]

    assert {gzip.decompress(b"".join(form)) for form in forms} == {PROCEDURES()}
    assert cache.memory_bytes == 2 * len(PROCEDURES())


def test_only_the_last_version_of_a_list_is_held(process: Processes, keys: list[str]) -> None:
    cache = process()

    for number in range(5):
        factories.publish(factories.body(keys[0], title=f"Number {number}"))
        cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

    assert cache.memory_bytes == 2 * len(PROCEDURES())


def test_compressing_an_older_list_does_not_push_out_the_last(process: Processes, keys: list[str]) -> None:
    cache = process()
    older = cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)
    factories.publish(factories.body(keys[0], title="Changed"))
    cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

    form = cache.coded(older, Coding.GZIP)

    assert gzip.decompress(b"".join(form)) == older.body
    assert cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES).source is Source.MEMORY


def test_an_item_whose_version_was_lost_is_built_each_time(
    process: Processes, counted: CountedProcedures, keys: list[str]
) -> None:
    cache = process()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM resource_version WHERE resource = %s", [procedure_resource(keys[1]).name])
    counted.read(cache)
    factories.publish(factories.body(keys[0], title="Changed"))
    counted.built.clear()

    found = counted.read(cache)

    assert sorted(counted.built) == sorted(keys[:2])
    assert found.body == PROCEDURES()


def test_a_build_that_was_broken_off_is_gone_on_with(
    process: Processes, counted: CountedProcedures, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composer, "ITEMS_A_STATEMENT", 2)
    cache = process()

    def fail_at_the_second(some: Sequence[str]) -> dict[str, bytes]:
        if counted.built:
            raise OperationalError("PostgreSQL has not answered in time.")
        counted.built += some
        return dict(PROCEDURES.bodies(some))

    with pytest.raises(OperationalError):
        cache.read(PROCEDURE_LIST, FINGERPRINT, ItemSource(PROCEDURES.kind, PROCEDURES.identifiers, fail_at_the_second))
    found = counted.read(cache)

    assert counted.built == keys
    assert found.body == PROCEDURES()


def test_a_list_from_which_a_row_vanishes_during_its_build_is_kept_by_nobody(
    process: Processes, keys: list[str], redis: Redis
) -> None:
    """As it happens when somebody empties the table: even older snapshots find nothing then."""

    def without_the_first(some: Sequence[str]) -> dict[str, bytes]:
        return {key: body for key, body in PROCEDURES.bodies(some).items() if key != keys[0]}

    cache = process()
    source = ItemSource(PROCEDURES.kind, PROCEDURES.identifiers, without_the_first)

    answered = cache.read(PROCEDURE_LIST, FINGERPRINT, source)
    found = cache.read(PROCEDURE_LIST, FINGERPRINT, PROCEDURES)

    assert answered.version is None
    assert found.body == PROCEDURES()
    assert len(exact_json.loads((found.body or b"").decode())) == len(keys)  # type: ignore[arg-type]
