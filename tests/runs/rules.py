"""The rules of docs/api.md once more, in a few lines of plain Python, for `test_state_machine` to compare runs with.

Nothing here knows the code of the service.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

STEPS = ["one", "two", "three"]
SKIPPABLE = {"two"}
ENDED = ("completed", "aborted")
MAX_EVENTS = 6  # few, so that most runs come there


class Ask(NamedTuple):
    """Something to ask of a run; whatever is not valid has a body that no step allows."""

    verb: str
    step: str | None = None
    amends: int | None = None
    is_valid: bool = True

    @property
    def path(self) -> str:
        return f"steps/{self.step}/{self.verb}" if self.step else self.verb

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {} if self.is_valid else {"values": {"no": 1}}
        if self.verb in ("skip", "amend", "abort"):
            body["reason"] = "why not"
        return body if self.amends is None else {**body, "amends": self.amends}


ABORT = Ask("abort")


@dataclass
class Model:
    """A run as the rules tell it."""

    is_strict: bool
    status: str = "in_progress"
    last_seq: int = 1
    resolved: dict[str, tuple[int, str]] = field(default_factory=dict)  # step → (effective seq, state)
    history: list[tuple[int, str, str, int | None]] = field(default_factory=list)  # seq, kind, step, amends

    def asks(self) -> Iterator[Ask]:
        """What can be asked now, sensible or not."""
        for step in STEPS:
            yield from (Ask("commit", step), Ask("commit", step, is_valid=False), Ask("skip", step))
            yield from (Ask("amend", step, amends) for amends in range(1, self.last_seq + 2))
        yield from map(Ask, ("pause", "resume", "abort"))

    def refusal_of(self, ask: Ask) -> str | None:
        """The problem that the request must meet; None if it must be accepted."""
        if ask.step is None:
            return self._refusal_of_change(ask.verb)
        if ask.verb == "amend":
            return self._refusal_to_amend(ask.step, ask.amends)
        return self._refusal_to_resolve(ask.step) or self._refusal_of_content(ask)

    def _refusal_to_resolve(self, step: str) -> str | None:
        if self.status != "in_progress":
            return "run-not-in-progress"
        earlier = STEPS[: STEPS.index(step)]
        if self.is_strict and any(other not in self.resolved for other in earlier):
            return "step-out-of-order"
        return "step-already-committed" if step in self.resolved else None

    @staticmethod
    def _refusal_of_content(ask: Ask) -> str | None:
        if ask.verb == "skip":
            return None if ask.step in SKIPPABLE else "step-not-skippable"
        return None if ask.is_valid else "validation-failed"

    def _refusal_of_change(self, verb: str) -> str | None:
        allowed_in = {"pause": ["in_progress"], "resume": ["paused"], "abort": ["in_progress", "paused"]}
        if self.status not in allowed_in[verb]:
            return "run-not-in-progress"
        return "run-too-long" if verb == "pause" and self.last_seq >= MAX_EVENTS else None

    def _refusal_to_amend(self, step: str, amends: int | None) -> str | None:
        if self.status not in ("in_progress", "completed"):
            return "run-not-in-progress"
        if self.last_seq >= MAX_EVENTS:
            return "run-too-long"
        effective, _ = self.resolved.get(step, (None, ""))
        return None if effective is not None and amends == effective else "amend-target-stale"

    def record(self, ask: Ask) -> None:
        """Add the event that the request leads to."""
        self.last_seq += 1
        if ask.step is None:
            self.status = {"pause": "paused", "resume": "in_progress", "abort": "aborted"}[ask.verb]
            return
        self.resolved[ask.step] = (self.last_seq, "skipped" if ask.verb == "skip" else "committed")
        self.history.append((self.last_seq, ask.verb, ask.step, ask.amends))
        if len(self.resolved) == len(STEPS):
            self.status = "completed"

    @property
    def next_steps(self) -> list[str]:
        """The steps that come next."""
        if self.status in ENDED:
            return []
        open_steps = [step for step in STEPS if step not in self.resolved]
        return open_steps[:1] if self.is_strict else open_steps
