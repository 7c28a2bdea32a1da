"""What an operator is told of a payload that has just been stored."""

from collections.abc import Callable

import pytest

from procedures.caches import procedure_resource
from tests import factories
from versioned_cache.configuration import PAYLOAD_TTL_SECONDS
from versioned_cache.engine import VersionedCache
from versioned_cache.inspection import survey
from versioned_cache.store import Store

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


def test_its_shape_its_size_and_that_it_is_younger_than_the_oldest(
    process: Callable[[], VersionedCache], store: Store
) -> None:
    factories.publish(factories.body("gibson"))
    process().read(GIBSON, SHAPE, lambda: b"body")

    (found,) = survey([GIBSON], store).inspections

    payload = found.payload
    assert payload is not None
    assert (payload.fingerprint, payload.size_bytes) == (SHAPE, len(b"body"))
    assert 0 <= payload.age_seconds < PAYLOAD_TTL_SECONDS
