"""The list's body from DRF's model serializers over prefetched rows, as its tutorial builds one."""

from typing import Any

from rest_framework import serializers

from procedures.models import Procedure, ProcedureQuerySet, ProcedureStatus, Step
from rest.fields import InstantField


class StepSerializer(serializers.ModelSerializer[Step]):
    """One step."""

    class Meta:
        model = Step
        fields = (
            "key", "title", "instructions", "caution", "role", "skippable", "expected_duration_s", "slots", "checklist",
        )  # fmt: skip


class ProcedureSerializer(serializers.ModelSerializer[Procedure]):
    """A procedure with its current revision and its steps."""

    revision = serializers.IntegerField(source="current.number")
    title = serializers.CharField(source="current.title")
    description = serializers.CharField(source="current.description")
    ordering = serializers.CharField(source="current.ordering")
    updated_at = InstantField()  # to the millisecond, as the service tells time
    steps = StepSerializer(source="current.steps", many=True)

    class Meta:
        model = Procedure
        fields = ("key", "revision", "status", "title", "description", "ordering", "tags", "updated_at", "steps")


def active_procedures() -> ProcedureQuerySet:
    """Return what the list shows: two statements, however many procedures there are."""
    return Procedure.objects.published().filter(status=ProcedureStatus.ACTIVE).with_steps()


def procedure_list() -> Any:
    """Return the list as DRF renders it."""
    return ProcedureSerializer(active_procedures(), many=True).data
