"""What clients did and were shown, and the judgement over it: nothing here knows how it came about.

Every write gives a *thing* (a procedure, a run) a higher *number*, in the order of the commits, and every body
carries the numbers of the things in it. So a read is too old exactly if it shows a lower number than one that
was *known* before the read began: because a write had been acknowledged, or because another read had shown it.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

NO_ANSWER = 0
"""The status of a request whose connection broke before an answer came."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read, as its client saw it. Instants are monotonic seconds.

    Attributes:
        view: What was read, such as the list: the same thing may be newer in one view than in another.
        shown: The number of each thing in the body; of a 304, in the body that its ETag stands for.
        is_announced: Whether a refusal said when to come back (Retry-After).
    """

    client: str
    view: str
    began: float
    ended: float
    status: int
    shown: Mapping[str, int] = field(default_factory=dict)
    etag: str = ""
    is_announced: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as its client saw it. Unless it succeeded, it may have been done or not.

    Attributes:
        number: None where the answer would have told it.
        is_denied: Whether a refusal said that nothing was changed.
    """

    client: str
    thing: str
    number: int | None
    began: float
    ended: float
    status: int
    is_announced: bool = False
    is_denied: bool = False

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether its client may rely on it."""
        return self.status in {HTTPStatus.OK, HTTPStatus.CREATED}


@dataclass(slots=True)
class History:
    """All that happened, in no order. Threads may append.

    Attributes:
        earlier: Acknowledged writes of the time before, which every read must show.
    """

    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    earlier: list[Write] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OldRead:
    """A read that showed less than was known when it began.

    Attributes:
        staleness_ms: How long more had been known, at the beginning of the read.
    """

    read: Read
    thing: str
    known: int
    staleness_ms: float

    def __str__(self) -> str:
        return (
            f"{self.read.client} read {self.thing} in {self.read.view} at {self.read.began:.3f} ({self.read.status}, "
            f"{self.read.etag}) and was shown {self.read.shown[self.thing]}; {self.known} was known, and more than "
            f"was shown for {self.staleness_ms:.0f} ms"
        )


@dataclass(slots=True)
class Verdict:
    """What a history amounts to.

    Attributes:
        stale: Reads older than an acknowledged write.
        backward: Reads older than what any client had been shown in the same view.
        own_backward: Reads older than what the same client had been shown in the same view.
        unexpected: Answers that nobody may be given, in words.
        contradictions: ETags that stood for more than one content.
        broken_refusals: Writes that were answered "nothing was changed", and shown to readers all the same.
    """

    reads: int = 0
    not_modified: int = 0
    writes: int = 0
    unacknowledged: int = 0
    unavailable: int = 0
    lost: int = 0
    stale: list[OldRead] = field(default_factory=list)
    backward: list[OldRead] = field(default_factory=list)
    own_backward: list[OldRead] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    broken_refusals: list[Write] = field(default_factory=list)

    @property
    def worst_ms(self) -> float:
        """The longest time for which more had been known than a read showed."""
        return max((old.staleness_ms for old in [*self.stale, *self.backward]), default=0.0)


class Frontier:
    """The highest number of a thing that was known, by time."""

    def __init__(self, proofs: Iterable[tuple[float, int]]) -> None:
        self._since: list[float] = []
        self._numbers: list[int] = []
        for instant, number in sorted(proofs):
            if not self._numbers or number > self._numbers[-1]:
                self._since.append(instant)
                self._numbers.append(number)

    def surpassed_at(self, number: int) -> float:
        """Return when a higher number was first known; infinity if never."""
        index = bisect_right(self._numbers, number)
        return self._since[index] if index < len(self._since) else float("inf")

    def known_before(self, instant: float) -> int:
        """Return the highest number that was known before the instant; 0 if none."""
        index = bisect_left(self._since, instant)
        return self._numbers[index - 1] if index else 0


def judge(history: History, relapses: Sequence[float] = ()) -> Verdict:
    """Find what is wrong with a history.

    Args:
        history: All reads and writes from a time on when everything was well.
        relapses: The instants, ascending, at which Redis came back with what it had held earlier. Nobody can
            be told before Redis is back, so staleness is counted from the later of the two.
    """
    verdict = _counted(history)
    reads = [read for read in history.reads if read.shown]
    verdict.stale = _stale(reads, _acknowledged([*history.earlier, *history.writes]), relapses)
    verdict.backward = _backward(reads, relapses, by_client=False)
    verdict.own_backward = _backward(reads, relapses, by_client=True)
    verdict.contradictions = _contradictions(reads)
    verdict.broken_refusals = _broken_refusals(history.writes, reads)
    return verdict


def _counted(history: History) -> Verdict:
    operations: list[Read | Write] = [*history.reads, *history.writes]
    return Verdict(
        reads=len(history.reads),
        not_modified=sum(read.status == HTTPStatus.NOT_MODIFIED for read in history.reads),
        writes=sum(write.is_acknowledged for write in history.writes),
        unacknowledged=sum(not write.is_acknowledged for write in history.writes),
        unavailable=sum(operation.status == HTTPStatus.SERVICE_UNAVAILABLE for operation in operations),
        lost=sum(operation.status == NO_ANSWER for operation in operations),
        unexpected=[str(operation) for operation in operations if not _is_expected(operation)],
    )


def _is_expected(operation: Read | Write) -> bool:
    if operation.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return operation.is_announced
    if operation.status == NO_ANSWER:
        return True  # no answer is no wrong answer; they are counted
    if isinstance(operation, Write):
        return operation.is_acknowledged
    return operation.status in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED} and bool(operation.shown)


def _acknowledged(writes: Iterable[Write]) -> dict[str, Frontier]:
    proofs = defaultdict(list)
    for write in writes:
        if write.is_acknowledged and write.number is not None:
            proofs[write.thing].append((write.ended, write.number))
    return {thing: Frontier(known) for thing, known in proofs.items()}


def _stale(reads: Iterable[Read], frontiers: Mapping[str, Frontier], relapses: Sequence[float]) -> list[OldRead]:
    return [
        old
        for read in reads
        for thing in read.shown
        if thing in frontiers and (old := _held_against(read, thing, frontiers[thing], relapses))
    ]


def _backward(reads: Sequence[Read], relapses: Sequence[float], *, by_client: bool) -> list[OldRead]:
    def witness(read: Read, thing: str) -> tuple[str, str, str]:
        return (read.client if by_client else "", read.view, thing)

    proofs = defaultdict(list)
    for read in reads:
        for thing, number in read.shown.items():
            proofs[witness(read, thing)].append((read.ended, number))
    frontiers = {key: Frontier(known) for key, known in proofs.items()}
    return [
        old
        for read in reads
        for thing in read.shown
        if (old := _held_against(read, thing, frontiers[witness(read, thing)], relapses))
    ]


def _held_against(read: Read, thing: str, frontier: Frontier, relapses: Sequence[float]) -> OldRead | None:
    surpassed_at = frontier.surpassed_at(read.shown[thing])
    if surpassed_at >= read.began:
        return None
    earlier_relapses = bisect_right(relapses, read.began)
    excused_until = relapses[earlier_relapses - 1] if earlier_relapses else surpassed_at
    staleness_seconds = read.began - max(surpassed_at, excused_until)
    return OldRead(read, thing, frontier.known_before(read.began), staleness_seconds * 1000)


def _contradictions(reads: Iterable[Read]) -> list[str]:
    contents: dict[tuple[str, str], Mapping[str, int]] = {}
    return [
        f"{read.etag} of {read.view} stood for {dict(first)}, and for {dict(read.shown)}"
        for read in reads
        if read.etag and (first := contents.setdefault((read.view, read.etag), read.shown)) != read.shown
    ]


def _broken_refusals(writes: Iterable[Write], reads: Iterable[Read]) -> list[Write]:
    shown = {(thing, number) for read in reads for thing, number in read.shown.items()}
    return [write for write in writes if write.is_denied and (write.thing, write.number) in shown]
