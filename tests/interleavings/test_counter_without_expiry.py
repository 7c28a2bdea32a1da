"""A counter is ahead of PostgreSQL and never expires: somebody has set it by hand, or restored a dump.

    operator   SET counter 9999999999999
    anybody    finds no body of that version, builds v, and puts the counter right
    the next   finds v in Redis

See Note [Bumping].
"""

from collections.abc import Callable

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache


def test_the_first_read_puts_it_right(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    stage.redis.set(RESOURCE.counter_key, 9_999_999_999_999)

    first = stage.read(process())

    assert first.version == stage.version == stage.counter
    assert stage.redis.pttl(RESOURCE.counter_key) > 0
    assert stage.read(process()).source == "redis"
