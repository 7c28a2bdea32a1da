"""Two people edit one draft: what a form was opened on, and how what one typed is merged with what the other saved.

A form carries a snapshot of the draft as it was opened. If the draft has changed since, nothing is saved: the form
comes back with a merge, in which each field that only one of them has changed has the change, and each field that both
have changed keeps what was typed, with the other's value beside it. Saving that form is then a choice.

Everything here is text, as a form has it: what somebody typed need not be valid to be kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from django.core import signing

from procedures.definitions import STEP_MEMBERS, Definition
from procedures.models import Revision, content_of
from rest import exact_json
from rest.parameters import number_in

REVISION_FIELDS = ("title", "description", "ordering", "change_note")
STEP_FIELDS = ("position", *STEP_MEMBERS)
JSON_FIELDS = frozenset({"slots", "checklist"})
TRIMMED_FIELDS = frozenset({"title", "key", "role", "position", "expected_duration_s"})
TICKED = "on"
UNKNOWN = "\x00"  # no form sends it
SALT = "procedures.draft_edits.1"  # another number for another shape, so that no form of old code is misread

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StepTexts:
    """A step in a form; `pk` is None for a new one."""

    pk: int | None
    texts: Texts
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class DraftTexts:
    """A draft in a form, with its steps in the order of the form."""

    texts: Texts
    steps: Sequence[StepTexts]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A draft as it was saved at some moment."""

    draft_pk: int
    procedure_pk: int
    content: Definition
    steps: Sequence[tuple[int, int]]  # of each step in the content: its row in the database, and its position

    def sealed(self) -> str:
        """Return it as a text for a form to carry, equal for equal drafts, and signed so that nobody can change it."""
        return signing.Signer(salt=SALT).sign_object(self.as_json(), compress=True)

    def as_json(self) -> str:
        """Return it as JSON, which is equal for equal drafts: 12.50 is not 12.5 here."""
        content = {name: getattr(self.content, name) for name in (*REVISION_FIELDS, "steps")}
        members = {"draft": self.draft_pk, "procedure": self.procedure_pk, "content": content, "steps": self.steps}
        return exact_json.dumps(members, sort_keys=True).decode()

    def as_texts(self) -> DraftTexts:
        """Return what a form shows of it."""
        steps = [
            StepTexts(pk, {name: shown({"position": position, **step}[name]) for name in STEP_FIELDS})
            for (pk, position), step in zip(self.steps, self.content.steps, strict=True)
        ]
        return DraftTexts({name: shown(getattr(self.content, name)) for name in REVISION_FIELDS}, steps)


@dataclass(frozen=True, slots=True)
class Merge:
    """What one person typed, merged with what the other has saved.

    Attributes:
        result: What the form shows now; its steps that exist come before the new ones.
        collisions: The other's value of each field that both have changed, by the row of the step (None for the
            revision itself) and the name of the field.
        deleted: The rows of steps that the other has deleted, and that are in the form as new ones because something
            was typed there.
    """

    result: DraftTexts
    collisions: dict[tuple[int | None, str], str] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)


def snapshot_of(draft: Revision) -> Snapshot:
    """Return the draft as it is saved now."""
    saved = Revision.objects.select_related("procedure").prefetch_related("steps").get(pk=draft.pk)
    return Snapshot(
        saved.pk, saved.procedure_id, content_of(saved), [(step.pk, step.position) for step in saved.steps.all()]
    )


def unsealed(text: str) -> Snapshot | None:
    """Return the snapshot that a form carried; None if it carried none of ours."""
    try:
        members: Any = exact_json.loads(signing.Signer(salt=SALT).unsign_object(text))
    except signing.BadSignature:
        return None
    content = Definition(key="", tags=[], **members["content"])
    return Snapshot(members["draft"], members["procedure"], content, members["steps"])


def shown(value: object) -> str:
    """Return a value as the form shows it."""
    if value is None or value is False:
        return ""
    if value is True:
        return TICKED
    if isinstance(value, list):
        return "[\n" + ",\n".join(exact_json.dumps(member).decode() for member in value) + "\n]" if value else "[]"
    return str(value)


def merged(base: Snapshot | None, theirs: Snapshot, mine: DraftTexts) -> Merge:
    """Merge `mine`, which was typed into a form that was opened on `base`, with `theirs`.

    Without a base, nobody knows who changed what: what was typed is kept wherever it differs.
    """
    saved = theirs.as_texts()
    opened = base.as_texts() if base else _unknown(saved)
    texts, collisions = _merged_texts(opened.texts, saved.texts, mine.texts)
    rows = sorted(_merged_steps(opened, saved, mine), key=lambda row: row.step.pk is None)
    return Merge(
        DraftTexts(texts, _renumbered([row.step for row in rows])),
        {(None, name): text for name, text in collisions.items()}
        | {(index, name): text for index, row in enumerate(rows) for name, text in row.collisions.items()},
        [index for index, row in enumerate(rows) if row.is_deleted_by_other],
    )


@dataclass(frozen=True, slots=True)
class _Row:
    step: StepTexts
    collisions: Texts = field(default_factory=dict)
    is_deleted_by_other: bool = False


def _merged_steps(opened: DraftTexts, saved: DraftTexts, mine: DraftTexts) -> Iterator[_Row]:
    before = {step.pk: step for step in opened.steps}
    counterparts = _counterparts(opened, saved)
    taken: set[int | None] = set()
    for step in mine.steps:
        old, new = before.get(step.pk), counterparts.pop(step.pk, None)
        if step.pk is None or old is None:
            yield _Row(replace(step, pk=None))
        elif new is not None:
            taken.add(new.pk)
            texts, collisions = _merged_texts(old.texts, new.texts, step.texts)
            collisions.pop("position", None)  # moves are shown among the changes of the whole draft
            yield _Row(StepTexts(new.pk, texts, step.is_deleted), collisions)
        elif not step.is_deleted and not all(_is_same(name, old.texts[name], step.texts[name]) for name in STEP_FIELDS):
            yield _Row(replace(step, pk=None), is_deleted_by_other=True)
    yield from (_Row(step) for step in saved.steps if step.pk not in taken)


def _counterparts(opened: DraftTexts, saved: DraftTexts) -> dict[int | None, StepTexts]:
    """Return the saved step for each step of the opened form: the same row or, in another draft, the same key."""
    by_pk = {step.pk: step for step in saved.steps}
    known = {step.pk for step in opened.steps}
    by_key = {step.texts["key"]: step for step in saved.steps if step.pk not in known}
    found = {step.pk: by_pk.get(step.pk) or by_key.get(step.texts["key"]) for step in opened.steps}
    return {pk: step for pk, step in found.items() if step is not None}


def _merged_texts(old: Texts, new: Texts, typed: Texts) -> tuple[dict[str, str], dict[str, str]]:
    """Return the merge of the fields, and the saved value of those that both have changed."""
    merge: dict[str, str] = {}
    collisions: dict[str, str] = {}
    for name, text in typed.items():
        is_touched = not _is_same(name, old[name], text)
        merge[name] = text if is_touched else new[name]
        if is_touched and not _is_same(name, old[name], new[name]) and not _is_same(name, text, new[name]):
            collisions[name] = new[name]
    return merge, collisions


def _renumbered(steps: Sequence[StepTexts]) -> list[StepTexts]:
    """Number the steps from 1, in the order of their positions; leave them as they are if one is not a number."""
    positions = [(number_in(step.texts["position"].strip()), step) for step in steps if not step.is_deleted]
    numbered = [(position, step) for position, step in positions if position is not None]
    if len(numbered) < len(positions):
        return list(steps)
    ordered = sorted(numbered, key=itemgetter(0))
    places = {id(step): str(place) for place, (_, step) in enumerate(ordered, start=1)}
    return [
        replace(step, texts={**step.texts, "position": places[id(step)]}) if id(step) in places else step
        for step in steps
    ]


def _unknown(saved: DraftTexts) -> DraftTexts:
    return DraftTexts(
        dict.fromkeys(saved.texts, UNKNOWN),
        [StepTexts(step.pk, {**dict.fromkeys(step.texts, UNKNOWN), "key": step.texts["key"]}) for step in saved.steps],
    )


def _is_same(name: str, one: str, other: str) -> bool:
    if name in JSON_FIELDS:
        return _canonical(one) == _canonical(other)
    return one.strip() == other.strip() if name in TRIMMED_FIELDS else one == other


def _canonical(text: str) -> str:
    """Return JSON in canonical form; a text that is not JSON, as it is."""
    try:
        return exact_json.dumps(exact_json.loads(text or "[]"), sort_keys=True).decode()
    except exact_json.NotExactJSON:
        return text
