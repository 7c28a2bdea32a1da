"""A connection that fails although it was just made is not tried again, because a read has no time to lose."""

import pytest
from pytest_django import Settings

from tests import factories
from tests.faults.test_redis_errors import counting, read, redis_at
from versioned_cache.metrics import Source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("fault", ["reset", "READONLY", "nonsense"])
def test_a_read_makes_one_and_falls_back(fault: str, settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson"))

    with counting(fault) as (url, connections), redis_at(url, settings) as cache:
        _, source = read(cache)

    assert source == Source.FALLBACK
    assert len(connections) == 1
