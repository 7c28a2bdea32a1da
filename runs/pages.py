"""Pages of runs, newest first, each with any combination of filters.

A page is read from the indexes of `runs.models.Run`, which have the runs of a filter in the order of the list, from the
cursor on. Where a filter leaves several places in an index (several states, the revisions of a procedure), the newest
of each place are read and then merged. So a page never costs the runs that are not on it, however rare or common those
are that a filter selects. Words are looked for first: where few runs have them, the filters apply to those. Where many
have them, PostgreSQL chooses whether to look up those runs, or to check the words of each run in the list.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import DateTimeField, Func, OuterRef, Q, QuerySet, UUIDField
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from procedures.models import Revision
from rest.fields import InstantField, SlugField
from rest.parameters import NumberField, Parameters
from runs.models import NEWEST_FIRST, Run, RunQuerySet, few_found_by
from runs.records import RunHead, heads_of
from runs.search import MAX_WORDS, words_in
from runs.states import RunStatus

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
ME = "me"
USER_ID = "[1-9][0-9]{0,8}"
LOOKUPS = {
    "external_ref": "external_ref",
    "started_by": "started_by",
    "started_after": "started_at__gt",
    "started_before": "started_at__lt",
}
"""The query of each parameter that any run of a page meets by itself."""


@extend_schema_field({"type": "string", "pattern": f"^({'|'.join(RunStatus)})(,({'|'.join(RunStatus)}))*$"})
class StatusesField(serializers.Field[Any, Any, Any, Any]):
    """One status, or several with commas between them."""

    default_error_messages = {"invalid_choice": f"Expected some of {', '.join(RunStatus)}, with commas between them."}

    def to_internal_value(self, data: str) -> set[str]:
        statuses = set(data.split(","))
        if not statuses <= set(RunStatus):
            self.fail("invalid_choice")
        return statuses


@extend_schema_field({"type": "string", "pattern": f"^({ME}|{USER_ID})$"})
class UserIdField(serializers.Field[Any, Any, Any, Any]):
    """The id of a user, or `me`."""

    default_error_messages = {"invalid": f"Expected the id of a user, or {ME!r}."}

    def to_internal_value(self, data: str) -> int:
        if data == ME:
            return int(self.context["request"].user.pk)
        if not re.fullmatch(USER_ID, data):
            self.fail("invalid")
        return int(data)


class CursorField(serializers.UUIDField):
    """A cursor exactly as it was given out: Python reads a UUID in many spellings."""

    def to_internal_value(self, data: Any) -> UUID:
        run_id: UUID = super().to_internal_value(data)
        if str(run_id) != data:
            self.fail("invalid", value=data)
        return run_id


class RunListParameters(Parameters):
    """The filters of GET /runs."""

    status = StatusesField(required=False, help_text="Only runs in one of these states, such as `in_progress,paused`.")
    procedure = SlugField(required=False, help_text="Only runs of the procedure with this key.")
    external_ref = serializers.CharField(
        required=False, trim_whitespace=False, help_text="Only runs with exactly this reference."
    )
    started_by = UserIdField(
        required=False, help_text="Only runs that the user with this id started; `me`: that you did."
    )
    started_after = InstantField(required=False, help_text="Only runs that started after this instant.")
    started_before = InstantField(required=False, help_text="Only runs that started before this instant.")
    q = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Only runs with words in their title, reference or starter's name that begin with each of these "
        f"words, at most {MAX_WORDS}; or whose id begins like this, with 8 digits or more.",
    )
    cursor = CursorField(
        required=False, help_text="Where the page starts; taken from `next_cursor` of the page before."
    )
    limit = NumberField(min_value=1, max_value=MAX_LIMIT, required=False, default=DEFAULT_LIMIT)

    def validate_q(self, text: str) -> str:
        if not 1 <= len(words_in(text)) <= MAX_WORDS:
            raise serializers.ValidationError(f"Expected 1 to {MAX_WORDS} words.", code="words")
        return text


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, and the cursor of the next page; None at the end."""

    heads: list[RunHead]
    next_cursor: UUID | None


def page_of_runs(parameters: Mapping[str, Any]) -> RunPage:
    """Return the runs that the validated `RunListParameters` ask for."""
    limit = parameters["limit"]
    runs = list(newest_runs(parameters, limit + 1))
    page, has_more = runs[:limit], len(runs) > limit
    return RunPage(heads_of(page), page[-1].pk if has_more else None)


def newest_runs(parameters: Mapping[str, Any], count: int, among: RunQuerySet | None = None) -> RunQuerySet:
    """Return the newest so many runs that these filters select among some, or among all."""
    selected = (Run.objects.all() if among is None else among).filter(_conditions(parameters))
    if "q" in parameters:
        few = few_found_by(parameters["q"])
        if few is not None:
            return _in_order(_newest_of_few(selected.filter(pk__in=few), parameters, count))
        selected = selected.found_by(parameters["q"])
    places = _places(selected, parameters)
    if len(places) == 1 and "procedure" not in parameters:
        return places[0].with_head().order_by(*NEWEST_FIRST)[:count]
    return _in_order(_newest_ids(places, parameters, count))


def _in_order(ids: Sequence[UUID]) -> RunQuerySet:
    return Run.objects.filter(pk__in=ids).with_head().order_by(*NEWEST_FIRST)


def _conditions(parameters: Mapping[str, Any]) -> Q:
    conditions = Q(**{lookup: parameters[name] for name, lookup in LOOKUPS.items() if name in parameters})
    if "cursor" in parameters:
        conditions &= _after(parameters["cursor"])
    return conditions


def _after(cursor: UUID) -> Q:
    """Return the condition that a run comes after the one with this id in the list."""
    started_at = Run.objects.filter(pk=cursor).order_by().values("started_at")
    return Q(started_at__lte=started_at) & (Q(started_at__lt=started_at) | Q(pk__lt=cursor))


def _places(selected: RunQuerySet, parameters: Mapping[str, Any]) -> list[RunQuerySet]:
    """Return the parts of `selected` that each have a place of their own in an index."""
    statuses = parameters.get("status", ())
    if not statuses and {"procedure", "started_by"} & parameters.keys():
        statuses = RunStatus.values  # these indexes are divided by it
    return [selected.filter(status=status) for status in statuses] or [selected]


def _newest_of_few(few: RunQuerySet, parameters: Mapping[str, Any], count: int) -> list[UUID]:
    if "status" in parameters:
        few = few.filter(status__in=parameters["status"])
    if "procedure" in parameters:
        few = few.filter(revision__procedure__key=parameters["procedure"])
    return [pk for _started_at, pk in nlargest(count, few.order_by().values_list("started_at", "pk"))]


def _newest_ids(places: Sequence[RunQuerySet], parameters: Mapping[str, Any], count: int) -> list[UUID]:
    if "procedure" in parameters:
        revisions = Revision.objects.filter(procedure__key=parameters["procedure"])
        newest = [_of_each_revision(place.order_by(*NEWEST_FIRST), revisions, count) for place in places]
    else:
        newest = [place.order_by(*NEWEST_FIRST).values_list("started_at", "pk")[:count] for place in places]
    return [pk for _started_at, pk in nlargest(count, newest[0].union(*newest[1:], all=True))]


def first_of_revisions(runs: RunQuerySet, revisions: QuerySet[Revision], count: int) -> RunQuerySet:
    """Return the first so many of `runs` of these revisions, newest or oldest first, as `runs` are ordered."""
    places = [_of_each_revision(runs.filter(status=status), revisions, count) for status in RunStatus.values]
    choose = nlargest if str(runs.query.order_by[0]).startswith("-") else nsmallest
    return runs.filter(pk__in=[pk for _started_at, pk in choose(count, places[0].union(*places[1:], all=True))])


def _of_each_revision(place: RunQuerySet, revisions: QuerySet[Revision], count: int) -> QuerySet[Any, Any]:
    """Return when the first runs of each of the revisions started, and their ids."""
    first = place.filter(revision=OuterRef("pk"))
    started_at = ArraySubquery(first.values("started_at")[:count])
    ids = ArraySubquery(first.values("pk")[:count])
    return revisions.order_by().values_list(
        Func(started_at, function="unnest", output_field=DateTimeField()),
        Func(ids, function="unnest", output_field=UUIDField()),
    )
