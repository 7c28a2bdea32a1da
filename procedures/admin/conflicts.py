"""The form of a draft that somebody else has saved meanwhile: what its author is told, and what the form then shows."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.http import HttpRequest, QueryDict

from access import history
from procedures.differences import Change, changes_between
from procedures.draft_edits import (
    REVISION_FIELDS,
    STEP_FIELDS,
    TICKED,
    DraftTexts,
    Merge,
    Snapshot,
    StepTexts,
    merged,
    unsealed,
)
from procedures.forms import as_stored
from procedures.models import Procedure, Revision
from rest.parameters import number_in
from rest.timestamps import to_people

BASE = "base"
RESUME = "resume"  # in a form that is not to be saved, but to be shown again
PREFIX = "steps"


@dataclass(frozen=True, slots=True)
class Conflict:
    """What stands between a form and the draft.

    Attributes:
        heading: The short of it.
        told: What happened meanwhile, who did it, and when.
        changes: What it changed; None if nobody knows what the form was opened on.
        merge: What was typed, on top of it.
    """

    heading: str
    told: str
    changes: list[Change] | None
    merge: Merge

    def findings(self, row: int | None) -> dict[str, str]:
        """Return what to say at the fields of a step, or of the revision itself if `row` is None."""
        return {
            name: f"Meanwhile this became: {text or 'nothing'}. Saving now replaces it with yours."
            for (at, name), text in self.merge.collisions.items()
            if at == row
        }


def conflict_in(request: HttpRequest, saved: Snapshot) -> Conflict | None:
    """Return what keeps the form that was sent from being saved; None if it was opened on what is saved.

    A form that resumes what was typed earlier is not saved either.
    """
    base = unsealed(request.POST.get(BASE, ""))
    is_current = base is not None and base.as_json() == saved.as_json()
    if is_current and RESUME not in request.POST:
        return None
    merge = merged(base, saved, typed_in(request.POST))
    if base is None:
        return Conflict("Not saved yet", "It is not known which state of the draft this form shows.", None, merge)
    if is_current:
        return Conflict("Not saved yet", "This is what you typed before.", [], merge)
    changes = changes_between(base.content, saved.content)
    return Conflict("Somebody was faster", _told(request, base, saved), changes, merge)


def procedure_of(form: QueryDict) -> Procedure | None:
    """Return the procedure whose draft a form was opened on."""
    base = unsealed(form.get(BASE, ""))
    return None if base is None else Procedure.objects.filter(pk=base.procedure_pk).first()


def typed_in(form: QueryDict) -> DraftTexts:
    """Return the draft as it was typed, with line breaks as we store them."""
    rows = range(min(number_in(form.get(f"{PREFIX}-TOTAL_FORMS", "")) or 0, len(form)))
    return DraftTexts({name: _text(form, name) for name in REVISION_FIELDS}, [_step(form, row) for row in rows])


def with_merge(form: QueryDict, merge: DraftTexts) -> QueryDict:
    """Return the form with the merge in place of what was typed."""
    steps = merge.steps
    result = QueryDict(mutable=True)
    kept = {name: values for name, values in form.lists() if not name.startswith(f"{PREFIX}-")}
    for name, values in kept.items():
        result.setlist(name, values)
    result.update(dict(merge.texts))
    counts = {"TOTAL": len(steps), "INITIAL": sum(step.pk is not None for step in steps), "MIN_NUM": 0, "MAX_NUM": 1000}
    result.update({f"{PREFIX}-{name}_FORMS": str(count) for name, count in counts.items()})
    for row, step in enumerate(steps):
        members: dict[str, Any] = {**step.texts, "id": step.pk or "", "DELETE": TICKED if step.is_deleted else ""}
        result.update({f"{PREFIX}-{row}-{name}": str(value) for name, value in members.items() if value != ""})
    return result


def _step(form: QueryDict, row: int) -> StepTexts:
    texts = {name: _text(form, f"{PREFIX}-{row}-{name}") for name in STEP_FIELDS}
    return StepTexts(number_in(form.get(f"{PREFIX}-{row}-id", "")), texts, bool(form.get(f"{PREFIX}-{row}-DELETE")))


def _text(form: QueryDict, name: str) -> str:
    return as_stored(form.get(name, ""))


def _told(request: HttpRequest, base: Snapshot, saved: Snapshot) -> str:
    if base.draft_pk == saved.draft_pk:
        return f"This draft was saved by {_whose(request, history.newest_of(Revision(pk=saved.draft_pk)))}."
    return f"The draft that you opened is gone, and this is a new one. {_ending(request, base)}"


def _ending(request: HttpRequest, base: Snapshot) -> str:
    ending = history.newest_of(Procedure(pk=base.procedure_pk), beginning=("Published", "Discarded"))
    return "" if ending is None else f"{ending.get_change_message()} That was {_whose(request, ending)}."


def _whose(request: HttpRequest, entry: LogEntry | None) -> str:
    if entry is None:
        return "somebody else"
    who = "you, in another window or tab," if entry.user_id == request.user.pk else str(entry.user)
    return f"{who} at {to_people(entry.action_time)}"
