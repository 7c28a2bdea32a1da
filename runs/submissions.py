"""What an operator submits, as it arrived, and everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from procedures.models import Step
from procedures.slots import check_checklist, check_values, is_uncheckable, out_of_range
from rest.findings import Finding, pointer

MAX_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Deviation:
    """The operator's reason for a value outside its slot's limits."""

    slot: str
    reason: str


@dataclass(frozen=True, slots=True)
class StartSubmission:
    """The body of a start.

    Attributes:
        procedure: The key of the procedure.
        revision: The number of the revision; None for the current one.
        findings: What is wrong with the body; if there are any, the other members are empty.
    """

    procedure: str = ""
    revision: int | None = None
    title: str | None = None
    external_ref: str | None = None
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """The body of a verb; each verb has some of these members.

    Attributes:
        findings: What is wrong with the shape of the body. A malformed member is empty here. The findings are not
            raised at once, because whether the verb is allowed at all is checked before its body.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    checklist: Mapping[str, Any] = field(default_factory=dict)
    deviations: Sequence[Deviation] = ()
    note: str | None = None
    reason: str | None = None
    performed_at: datetime | None = None
    amends: int | None = None
    findings: Sequence[Finding] = ()

    def findings_for(self, step: Step, now: datetime) -> list[Finding]:
        """Return everything that is wrong with this submission as a commit or an amendment of `step`."""
        malformed = {finding.pointer.split("/")[1] for finding in self.findings if finding.pointer}
        findings = list(self.findings)
        if "values" not in malformed:
            findings += check_values(
                step.slots, self.values, frozenset(deviation.slot for deviation in self.deviations)
            )
            findings += self._findings_of_deviations(step)
        if "checklist" not in malformed:
            findings += check_checklist(step.checklist, self.checklist)
        if self.performed_at is not None and self.performed_at > now + MAX_CLOCK_SKEW:
            findings.append(Finding("/performed_at", "future", "Must not be more than 5 minutes in the future."))
        return findings

    def deviations_for(self, step: Step) -> list[dict[str, Any]]:
        """Return the deviations as the ledger records them, each with the limits of its slot."""
        limits = {slot["key"]: {name: slot[name] for name in ("min", "max") if name in slot} for slot in step.slots}
        return [
            {"slot": deviation.slot, "limit": limits[deviation.slot], "reason": deviation.reason}
            for deviation in self.deviations
        ]

    def _findings_of_deviations(self, step: Step) -> list[Finding]:
        by_key = {slot["key"]: slot for slot in step.slots}
        findings = []
        seen: set[str] = set()
        for index, deviation in enumerate(self.deviations):
            problem = self._problem_of_deviation(by_key.get(deviation.slot), deviation.slot, seen)
            seen.add(deviation.slot)
            if problem:
                findings.append(Finding(pointer("deviations", index, "slot"), *problem))
        return findings

    def _problem_of_deviation(self, slot: Mapping[str, Any] | None, key: str, seen: set[str]) -> tuple[str, str] | None:
        if slot is None:
            return "unknown", "This step has no such slot."
        if key in seen:
            return "duplicate", "There is more than one deviation for this slot."
        if is_uncheckable(slot):
            return None if key in self.values else ("not_applicable", "This slot has no text to explain.")
        if slot.get("out_of_range") != "deviation":
            return "not_applicable", "This slot does not allow deviations."
        return _problem_of_explaining(slot, self.values.get(key))


def _problem_of_explaining(slot: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    if not isinstance(value, int | Decimal):
        return "not_applicable", "This slot has no number outside its limits to explain."
    if not out_of_range(slot, value):
        return "not_applicable", "The value is within the limits."
    return None


EMPTY = Submission()
