"""Pages of runs, newest first. A cursor is the id of the last run on a page, because ids are ordered by time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from rest.fields import InstantField
from rest.parameters import Parameters
from runs.models import Run
from runs.records import RunHead, heads_of
from runs.states import RunStatus

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class RunListParameters(Parameters):
    """The filters of GET /runs."""

    status = serializers.ChoiceField(choices=RunStatus.values, required=False)
    procedure = serializers.SlugField(required=False, help_text="Only runs of the procedure with this key.")
    external_ref = serializers.CharField(
        required=False, trim_whitespace=False, help_text="Only runs with exactly this reference."
    )
    started_after = InstantField(required=False, help_text="Only runs that started after this instant.")
    cursor = serializers.UUIDField(
        required=False, help_text="Where the page starts; taken from `next` of the page before."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False, default=DEFAULT_LIMIT)


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, and the cursor of the next page; None on the last one."""

    heads: list[RunHead]
    next_cursor: UUID | None


def page_of_runs(parameters: Mapping[str, Any]) -> RunPage:
    """Return the runs that the validated `RunListParameters` ask for."""
    filters = {
        lookup: parameters[name]
        for name, lookup in {
            "status": "status",
            "procedure": "revision__procedure__key",
            "external_ref": "external_ref",
            "started_after": "started_at__gt",
            "cursor": "id__lt",
        }.items()
        if name in parameters
    }
    limit = parameters["limit"]
    runs = list(Run.objects.with_head().filter(**filters).order_by("-id")[: limit + 1])
    more, runs = len(runs) > limit, runs[:limit]
    return RunPage(heads_of(runs), runs[-1].pk if more else None)
