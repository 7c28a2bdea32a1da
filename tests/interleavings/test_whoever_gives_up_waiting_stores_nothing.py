"""A build takes longer than anybody waits for it.

builder  builds v
waiter   in the same process or in another, waits, gives up, builds v for itself, and answers
builder  is done, and stores v: the payload has one author, and is stored once
"""

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache import payload_loader, shared_builds
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source

PATIENCE_SECONDS = 0.1


@pytest.fixture
def give_up(
    stage: Stage, elsewhere: Callable[[Callable[[], Representation]], Representation], monkeypatch: pytest.MonkeyPatch
) -> Callable[[VersionedCache, VersionedCache], Representation]:
    """Let `waiter` wait for `builder` in vain; return what it answers with."""

    def wait_in_vain(builder: VersionedCache, waiter: VersionedCache) -> Representation:
        answered: list[Representation] = []

        def build_slowly() -> bytes:
            # The claim was made with the usual patience, and so outlives the waiter's.
            monkeypatch.setattr(payload_loader, "BUILD_WAIT_SECONDS", PATIENCE_SECONDS)
            monkeypatch.setattr(shared_builds, "CLAIM_WAIT_SECONDS", PATIENCE_SECONDS)
            answered.append(elsewhere(lambda: stage.read(waiter, lambda: b"the waiter's")))
            assert stage.redis.exists(RESOURCE.payload_key(stage.version)) == 0
            return b"the builder's"

        stage.read(builder, build_slowly)
        return answered[0]

    return wait_in_vain


def test_a_waiter_of_the_same_process_stores_nothing(
    process: Callable[[], VersionedCache], give_up: Callable[..., Representation]
) -> None:
    cache = process()

    answered = give_up(cache, cache)

    assert (answered.body, answered.source) == (b"the waiter's", Source.DATABASE)


def test_a_waiter_of_another_process_stores_nothing(
    process: Callable[[], VersionedCache], give_up: Callable[..., Representation]
) -> None:
    answered = give_up(process(), process())

    assert (answered.body, answered.source) == (b"the waiter's", Source.DATABASE)


def test_the_builder_stores_and_nobody_else(
    stage: Stage, process: Callable[[], VersionedCache], give_up: Callable[..., Representation]
) -> None:
    before = stores()

    give_up(process(), process())

    assert stores() == before + 1
    assert stage.read(process(), lambda: pytest.fail("it was not stored")).body == b"the builder's"


def stores() -> float:
    """Return how many payloads of procedures Redis has accepted."""
    return REGISTRY.get_sample_value("backend_procedure_cache_store_total", {"resource": "procedure"}) or 0.0
