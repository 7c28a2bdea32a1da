"""The scenarios: one schedule each, played step by step, with nothing left to luck.

Each returns what readers were shown after its write. Sources: docs/cache-protocol.md, "The races".
"""

import queue
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.scorecard.player import Stop, Way
from benchmarks.scorecard.sightings import Sighting, worst
from benchmarks.scorecard.stage import Stage
from tests.faults.proxy import Mode

BRIEFLY = 0.2  # in leases: enough where nothing has to end before a read can be stale
FREEZE_SECONDS = 12.0  # longer than most timeouts; whoever still waits then is let go on


@dataclass(frozen=True)
class Scenario:
    """A schedule.

    Attributes:
        name: How the table calls it.
        story: What happens, in a sentence.
        play: Play it.
        is_fault: Whether something breaks or goes past the service, so that ours promises the lease and no more.
    """

    name: str
    story: str
    play: Callable[[Stage], Sighting]
    is_fault: bool = False


def slow_reader(stage: Stage) -> Sighting:
    """Let a reader that has the old rows store them after the write."""
    stage.set()
    stage.slow.begin_read(Stop.ROWS_READ)
    stage.slow.wait_until_stopped()
    written = stage.write(Way.SAVE)
    stage.slow.go_on()
    stage.slow.answer()
    return stage.watch(written)


def read_before_autocommit(stage: Stage) -> Sighting:
    """Let a reader cache the old rows while the writer's statement is on its way."""
    stage.set()
    stage.warm_up()
    began = stage.begin_write(Way.SAVE, Stop.BEFORE_UPDATE)
    return _read_meanwhile(stage, began)


def read_before_commit(stage: Stage) -> Sighting:
    """Let a reader cache the old rows between the writer's save() and its COMMIT."""
    stage.set()
    stage.warm_up()
    began = stage.begin_write(Way.TRANSACTION, Stop.BEFORE_COMMIT)
    return _read_meanwhile(stage, began)


def _read_meanwhile(stage: Stage, began: float) -> Sighting:
    stage.writer.wait_until_stopped()
    stage.read(stage.slow)
    stage.writer.go_on()
    return stage.watch(stage.finish_write(began))


def hook_is_lost(stage: Stage) -> Sighting:
    """Let another app's on_commit hook fail, which was registered before anything was written."""
    stage.set()
    stage.warm_up()
    return stage.watch(stage.write(Way.FAILING_HOOK))


def crash_after_commit(stage: Stage) -> Sighting:
    """Kill the writer when its COMMIT has been answered, before anything else."""
    stage.set()
    stage.warm_up()
    began = stage.begin_write(Way.TRANSACTION, Stop.COMMITTED)
    stage.writer.wait_until_stopped()
    return stage.watch(stage.kill_writer(began))


def bulk_update(stage: Stage) -> Sighting:
    """Write with QuerySet.update()."""
    stage.set()
    stage.warm_up()
    return stage.watch(stage.write(Way.UPDATE))


def sql_through_django(stage: Stage) -> Sighting:
    """Write with SQL through Django's cursor."""
    stage.set()
    stage.warm_up()
    return stage.watch(stage.write(Way.SQL))


def psql(stage: Stage) -> Sighting:
    """Write past the service."""
    stage.set()
    stage.warm_up()
    return stage.watch(stage.write_with_psql())


def any_key_is_evicted(stage: Stage) -> Sighting:
    """Evict each key in turn, whichever it is; read, then write once more. The worst that is seen counts."""
    seen = [_write_and_evict(stage, 0)]
    while seen[-1].is_over and len(seen) < stage.key_count:
        seen.append(_write_and_evict(stage, len(seen)))
    return worst(seen)


def _write_and_evict(stage: Stage, index: int) -> Sighting:
    stage.set()
    stage.warm_up()
    written = stage.write(Way.SAVE)
    stage.warm_up()
    stage.evict(index)
    after_eviction = stage.watch(written, BRIEFLY)
    after_one_more_write = stage.watch(stage.write(Way.SAVE), BRIEFLY)
    return worst([after_eviction, after_one_more_write])


def redis_is_frozen(stage: Stage) -> Sighting:
    """Freeze Redis when the rows are written, and thaw it when the writer has its answer, or has waited for long."""
    began = _begin_to_invalidate(stage)
    with stage.servers.valkey.frozen():
        stage.writer.go_on()
        try:
            written = stage.finish_write(began, FREEZE_SECONDS)
        except queue.Empty:
            written = None
    return stage.watch(written or stage.finish_write(began))


def writer_is_cut_off(stage: Stage) -> Sighting:
    """Refuse the writer's connections to Redis when the rows are written; the readers keep theirs."""
    began = _begin_to_invalidate(stage)
    with stage.servers.proxy.behaving(Mode.REFUSE):
        stage.writer.go_on()
        written = stage.finish_write(began)
    return stage.watch(written)


def _begin_to_invalidate(stage: Stage) -> float:
    """Let the writer come so far that all which is left to do is to commit and to invalidate."""
    stage.set()
    stage.warm_up()
    began = stage.begin_write(Way.TRANSACTION, Stop.WRITTEN)
    stage.writer.wait_until_stopped()
    return began


SCENARIOS = (
    Scenario(
        "slow reader",
        "A reader has selected the old rows when a writer saves, invalidates and is answered; then the reader stores.",
        slow_reader,
    ),
    Scenario(
        "read before autocommit",
        "A reader comes while the UPDATE of a plain `save()` is on its way to the database.",
        read_before_autocommit,
    ),
    Scenario(
        "read before COMMIT",
        "A reader comes between `save()` and the COMMIT of its transaction, and caches what it may see: the old rows.",
        read_before_commit,
    ),
    Scenario(
        "hook lost",
        "Another app's `on_commit` hook, registered first, raises; Django then runs none that comes after it. The view "
        "gets over the error, and acknowledges.",
        hook_is_lost,
    ),
    Scenario(
        "any key evicted",
        "Redis evicts one key, whichever: each is tried after a write, followed by reads and by one more write.",
        any_key_is_evicted,
    ),
    Scenario(
        "crash after COMMIT",
        "The writer is killed (SIGKILL) when PostgreSQL has answered COMMIT, before any hook.",
        crash_after_commit,
        is_fault=True,
    ),
    Scenario("bulk update", "`QuerySet.update()`, of which Django tells nobody.", bulk_update, is_fault=True),
    Scenario("raw SQL", "An UPDATE through Django's cursor.", sql_through_django, is_fault=True),
    Scenario("psql", "An UPDATE by a process that is none of the service's.", psql, is_fault=True),
    Scenario(
        "frozen Redis",
        "Redis freezes (SIGSTOP) when a transaction has written its rows and has yet to commit and to invalidate; it "
        f"thaws when the write was answered, or after {FREEZE_SECONDS:g} s, and then carries out what it was sent "
        "meanwhile: whoever needs one command only is in luck.",
        redis_is_frozen,
        is_fault=True,
    ),
    Scenario(
        "writer cut off",
        "The same, but the writer's host alone cannot reach Redis (connections refused); the readers' hosts can.",
        writer_is_cut_off,
        is_fault=True,
    ),
)
