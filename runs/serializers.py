"""The JSON shapes of runs."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from procedures.serializers import MAX_OPTION_LENGTH, MAX_OPTIONS, StepSerializer
from procedures.slots import MAX_TEXT_LENGTH
from rest import exact_json
from rest.fields import (
    InstantField,
    NameField,
    ObjectField,
    SlugField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)
from rest.findings import findings_of
from runs.models import RunEvent
from runs.progress import StepState
from runs.records import RunHead
from runs.states import STEP_KINDS, EventKind, RunStatus
from runs.submissions import Deviation, StartSubmission, Submission

MAX_TEXT = 4000
VALUE_SCHEMA = {
    "oneOf": [
        {"type": "string", "maxLength": MAX_TEXT_LENGTH},
        {"type": "number"},
        {"type": "boolean"},
        {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_OPTION_LENGTH},
            "maxItems": MAX_OPTIONS,
            "uniqueItems": True,
        },
    ]
}
STATUS_KINDS = [kind for kind in EventKind if kind not in STEP_KINDS]


class StartSerializer(StrictSerializer):
    """The body of POST /runs."""

    procedure = SlugField()
    revision = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    title = StrictCharField(max_length=200, required=False, allow_null=True, default=None)
    external_ref = StrictCharField(max_length=200, required=False, allow_null=True, default=None)


class DeviationSerializer(StrictSerializer):
    """The reason why a value is outside its slot's limits."""

    slot = NameField()
    reason = StrictCharField(max_length=MAX_TEXT)


@extend_schema_field({"type": "object", "additionalProperties": VALUE_SCHEMA})
class ValuesField(ObjectField):
    """The values of a commit, which its step's slots check."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "boolean"}})
class ChecklistField(ObjectField):
    """The ticks of a commit, which its step's checklist checks."""


class CommitBodySerializer(StrictSerializer):
    """The body of a commit."""

    values = ValuesField(default=dict, max_members=settings.MAX_SLOTS)
    checklist = ChecklistField(default=dict, max_members=settings.MAX_SLOTS)
    deviations = DeviationSerializer(many=True, default=list, max_length=settings.MAX_SLOTS)  # type: ignore[call-arg]  # no stubs
    note = StrictCharField(max_length=MAX_TEXT, allow_null=True, default=None)
    performed_at = InstantField(allow_null=True, default=None)


class AmendBodySerializer(CommitBodySerializer):
    """The body of an amendment: the whole content again, the event that it replaces, and the reason."""

    amends = StrictIntegerField(min_value=1)
    reason = StrictCharField(max_length=MAX_TEXT)


class ReasonBodySerializer(StrictSerializer):
    """The body of a verb that needs a reason."""

    reason = StrictCharField(max_length=MAX_TEXT)


class PauseBodySerializer(StrictSerializer):
    """The body of a pause."""

    reason = StrictCharField(max_length=MAX_TEXT, allow_null=True, default=None)


class ResumeBodySerializer(StrictSerializer):
    """The body of a resume: an empty object."""


class ActorSerializer(serializers.Serializer[Any]):
    """Who did it, with the name that they had then."""

    id = serializers.IntegerField(source="actor_id")
    name = serializers.CharField(source="actor_name")


class StarterSerializer(serializers.Serializer[Any]):
    """Who started the run, with the name that they had then."""

    id = serializers.IntegerField(source="started_by_id")
    name = serializers.CharField(source="started_by_name")


class CommitSerializer(serializers.Serializer[Any]):
    """A step commit: an event of kind commit, skip or amend."""

    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in STEP_KINDS])
    step_key = serializers.CharField(source="step.key")
    values = ObjectField()
    checklist = ObjectField()
    deviations = serializers.ListField(child=ObjectField())
    note = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    amends = serializers.IntegerField(allow_null=True)
    actor = ActorSerializer(source="*")
    performed_at = InstantField(allow_null=True)
    recorded_at = InstantField()


class StatusChangeSerializer(serializers.Serializer[Any]):
    """An event about the run as a whole."""

    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in STATUS_KINDS])
    reason = serializers.CharField(allow_null=True)
    actor = ActorSerializer(source="*")
    recorded_at = InstantField()


class PinnedProcedureSerializer(serializers.Serializer[Any]):
    """The revision that a run executes."""

    key = serializers.CharField(source="procedure.key")
    revision = serializers.IntegerField(source="number")
    title = serializers.CharField()


class ProgressSerializer(serializers.Serializer[Any]):
    """How many of the run's steps are resolved."""

    resolved = serializers.IntegerField()
    total = serializers.IntegerField()


class RunHeadSerializer(serializers.Serializer[Any]):
    """A run without its ledger."""

    id = serializers.UUIDField(source="run.id")
    title = serializers.CharField(source="run.title")
    external_ref = serializers.CharField(source="run.external_ref", allow_null=True)
    status = serializers.ChoiceField(choices=RunStatus.values, source="progress.status")
    last_seq = serializers.IntegerField()
    procedure = PinnedProcedureSerializer(source="run.revision")
    started_by = StarterSerializer(source="run")
    started_at = InstantField(source="run.started_at")
    ended_at = InstantField(source="progress.ended_at", allow_null=True)
    end_reason = serializers.CharField(source="progress.end_reason", allow_null=True)
    progress = ProgressSerializer()
    next_steps = serializers.ListField(child=serializers.CharField(), source="progress.next_steps")


class StepStateSerializer(serializers.Serializer[Any]):
    """The state of one step of a run."""

    key = serializers.CharField(source="step.key")
    title = serializers.CharField(source="step.title")
    state = serializers.ChoiceField(choices=[str(state) for state in StepState])
    effective_seq = serializers.IntegerField(source="effective.seq", allow_null=True, default=None)
    amended = serializers.BooleanField()
    deviated = serializers.BooleanField()


class RunSerializer(RunHeadSerializer):
    """A run with its history: a pure function of its pinned revision and its ledger."""

    steps = StepStateSerializer(many=True, source="progress.steps")
    commits = CommitSerializer(many=True)
    status_changes = StatusChangeSerializer(many=True)


class RunAfterEventSerializer(serializers.Serializer[Any]):
    """The state of a run after an event."""

    id = serializers.UUIDField(source="run.id")
    status = serializers.ChoiceField(choices=RunStatus.values, source="progress.status")
    last_seq = serializers.IntegerField()
    progress = ProgressSerializer()
    next_steps = serializers.ListField(child=serializers.CharField(), source="progress.next_steps")


class CurrentSerializer(RunAfterEventSerializer):
    """The next steps of a run: small enough for a phone or a chat assistant."""

    title = serializers.CharField(source="run.title")
    steps = serializers.SerializerMethodField()

    @staticmethod
    @extend_schema_field(StepSerializer(many=True))
    def get_steps(head: RunHead) -> list[dict[str, Any]]:
        """Return the steps that come next."""
        return [dict(StepSerializer(step).data) for step in head.steps_with_keys(head.progress.next_steps)]


def answer_to(event: RunEvent, head: RunHead) -> bytes:
    """Return the body that answers a write: what it recorded, and where that left the run.

    `head` is the run right after the event; for a start, the whole record.
    """
    content: Any
    if event.kind == EventKind.START:
        content = RunSerializer(head).data
    elif event.kind in STEP_KINDS:
        content = {"commit": CommitSerializer(event).data, "run": RunAfterEventSerializer(head).data}
    else:
        content = RunHeadSerializer(head).data
    return exact_json.dumps(content)


def start_submission_from(body: dict[str, Any]) -> StartSubmission:
    """Read the body of a start; if it is malformed, the submission has only findings."""
    serializer = StartSerializer(data=body)
    if not serializer.is_valid():
        return StartSubmission(findings=findings_of(serializer.errors))
    return StartSubmission(**serializer.validated_data)


def submission_from(body: dict[str, Any], serializer_class: type[StrictSerializer]) -> Submission:
    """Read the body of a verb; malformed members become findings of the submission."""
    checked = serializer_class(data=body)
    checked.is_valid()
    # Read again without the malformed members: the rest of the body is still checked against the step.
    known = {name: member for name, member in body.items() if name in checked.fields}
    readable = serializer_class(
        data={name: member for name, member in known.items() if name not in checked.errors}, partial=True
    )
    readable.is_valid(raise_exception=True)
    content = dict(readable.validated_data)
    deviations = [Deviation(**deviation) for deviation in content.pop("deviations", [])]
    return Submission(**content, deviations=deviations, findings=findings_of(checked.errors))
