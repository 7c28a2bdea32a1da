"""What an operator submits in a request, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from procedures.models import Step
from procedures.slots import check_checklist, check_values, out_of_range
from rest.findings import Finding, pointer

MAX_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Deviation:
    """The operator's reason why a value is outside its slot's limits."""

    slot: str
    reason: str


@dataclass(frozen=True, slots=True)
class StartSubmission:
    """The body of a start.

    Attributes:
        procedure: The key of the procedure.
        revision: The number of the revision; None for the current one.
        findings: What is wrong with its shape; if there are any findings, the other members are empty.
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
        findings: What is wrong with its shape; malformed members are empty here. The findings wait until it is clear
            that the verb is allowed, because that is checked before the body.
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
            deviating = frozenset(deviation.slot for deviation in self.deviations)
            findings += check_values(step.slots, self.values, deviating)
            findings += self._findings_of_deviations(step)
        if "checklist" not in malformed:
            findings += check_checklist(step.checklist, self.checklist)
        if self.performed_at is not None and self.performed_at > now + MAX_CLOCK_SKEW:
            findings.append(Finding("/performed_at", "future", "Must not be more than 5 minutes in the future."))
        return findings

    def deviations_for(self, step: Step) -> list[dict[str, Any]]:
        """Return the deviations as the ledger stores them, with the limits that were exceeded."""
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
            return "unknown", "The step has no such slot."
        if key in seen:
            return "duplicate", "This slot appears twice."
        if slot.get("out_of_range") != "deviation":
            return "not_applicable", "This slot does not allow deviations."
        value = self.values.get(key)
        if not isinstance(value, int | Decimal):
            return "not_applicable", "The slot has no number that could deviate."
        if not out_of_range(slot, value):
            return "not_applicable", "The value is within the limits."
        return None


EMPTY = Submission()
