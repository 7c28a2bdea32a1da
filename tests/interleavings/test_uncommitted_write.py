"""A writer reads in the middle of its own transaction.

writer   writes, and reads the procedure: it sees its own change
other    reads: it must see the old body
writer   rolls back
anybody  reads: what was never committed has been stored nowhere
"""

from collections.abc import Callable

from django.db import transaction

from tests import factories
from tests.interleavings.conftest import Stage
from versioned_cache.engine import VersionedCache


def test_what_is_not_committed_is_seen_by_its_writer_alone(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    with transaction.atomic():
        factories.publish(factories.body("gibson", title="Never"))
        own = stage.read(process())
        others = stage.elsewhere(lambda: stage.read(process()))
        transaction.set_rollback(True)
    after = stage.read(process())

    assert b'"Never"' in (own.body or b"")
    assert b'"Old"' in (others.body or b"")  # type: ignore[attr-defined]
    assert b'"Old"' in (after.body or b"")
