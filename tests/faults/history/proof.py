"""One fault after another, each with a history of its own, and what is to be said about them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults.history.cluster import Cluster
from tests.faults.history.faults import FAULTS, Fault, Scene
from tests.faults.history.history import Verdict, judge
from tests.faults.history.load import Load, Things, create_things

TOLERANCE_MS = 250  # between an instant and its being noted, on a machine that does other things too
COLUMNS = (
    ("fault", 16), ("reads", 7), ("304s", 6), ("writes", 6), ("unacknowledged", 14), ("503s", 5), ("lost", 5),
    ("stale reads", 11), ("worst staleness", 15), ("going back", 10), ("same client", 11),
    ("done though refused", 19),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a fault did.

    Attributes:
        failed_invalidations: How many bumps failed meanwhile.
    """

    fault: Fault
    verdict: Verdict
    lease_ms: int
    failed_invalidations: float

    @property
    def violations(self) -> list[str]:
        """What breaks the promise, in words."""
        verdict = self.verdict
        found = [*verdict.unexpected, *verdict.contradictions]
        bound_ms = self.lease_ms + TOLERANCE_MS
        for kind, reads in (("stale", verdict.stale), ("going back", verdict.backward)):
            found += [f"{kind}: {old}" for old in reads if self.fault.is_harmless or old.staleness_ms > bound_ms]
        found += [f"done though refused: {write}" for write in verdict.broken_refusals]
        if verdict.unavailable and not self.fault.breaks_postgresql:
            found.append(f"{verdict.unavailable} requests were answered 503, though PostgreSQL was well")
        if verdict.lost and not self.fault.kills_workers:
            found.append(f"{verdict.lost} requests got no answer")
        if self.fault.is_harmless and self.failed_invalidations:
            found.append(f"{self.failed_invalidations:.0f} invalidations failed")
        return found

    def row(self) -> str:
        """Return the line of the table."""
        verdict = self.verdict
        cells = (
            self.fault.name, verdict.reads, verdict.not_modified, verdict.writes, verdict.unacknowledged,
            verdict.unavailable, verdict.lost, len(verdict.stale), f"{verdict.worst_ms:.0f} ms",
            len(verdict.backward), len(verdict.own_backward), len(verdict.broken_refusals),
        )  # fmt: skip
        return _line(cells)


def header() -> str:
    """Return the head of the table."""
    return _line([name for name, _ in COLUMNS])


def prove(
    cluster: Cluster, lease_ms: int, *, reads: int = 0, say: Callable[[str], None], faults: Sequence[Fault] = FAULTS
) -> Iterator[Outcome]:
    """Let each fault happen, once at least and until there were so many reads in all, and judge what was seen."""
    things = create_things(cluster)
    say(header())
    done = 0
    for index, fault in enumerate(faults):
        share = (reads - done) // (len(faults) - index)
        outcome = let_happen(fault, cluster, things, lease_ms, reads=share)
        done += outcome.verdict.reads
        say(outcome.row())
        yield outcome


def let_happen(
    fault: Fault,
    cluster: Cluster,
    things: Things,
    lease_ms: int,
    *,
    reads: int = 0,
    begun: Callable[[Load], None] = lambda _load: None,
) -> Outcome:
    """Let a fault happen to clients at work, once at least and until there were so many reads, and judge them.

    `begun` is told when the clients are at work; it may add what others do to their history.
    """
    failed_before = cluster.failed_invalidations()
    with Load(cluster, things) as load:
        begun(load)
        scene = Scene(cluster, load, lease_ms / 1000)
        fault.happen(scene)
        while len(load.history.reads) < reads:
            fault.happen(scene)
    failed = cluster.failed_invalidations() - failed_before
    return Outcome(fault, judge(load.history, scene.relapses), lease_ms, failed)


def _line(cells: Sequence[object]) -> str:
    padded = [f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)]
    return "  ".join([str(cells[0]).ljust(COLUMNS[0][1]), *padded[1:]])
