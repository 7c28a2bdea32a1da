"""The state of the cache, for people: what it has done so far, and what PostgreSQL and Redis have at this moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max, OuterRef, Subquery
from django.urls import reverse
from django.utils.module_loading import import_string

from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures.models import Procedure
from runs.caches import run_resource
from runs.metrics import LedgerCheck, last_ledger_check
from runs.models import NEWEST_FIRST, Run, RunEvent
from versioned_cache import configuration
from versioned_cache.engine import cache
from versioned_cache.figures import CacheFigures, Tally, cache_figures
from versioned_cache.inspection import Inspection, survey
from versioned_cache.keys import Resource

MOST_OF_A_KIND = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is cached.

    Attributes:
        resource: What the cache calls it.
        title: What people call it.
        path: Where its page is; empty if it has none.
        written_at: When it was last written, as the domain tells; None if it never was.
    """

    resource: Resource
    title: str
    path: str
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class CachePage:
    """The state of the cache.

    Attributes:
        figures: What all processes have counted.
        ledger: What the last check of the whole ledger found; None if that is not known here.
        rows: The list, the procedures that were written last and the newest runs, each with its state.
        redis_usable: Whether Redis has told all of that.
        lease_seconds: How long a counter may be believed.
    """

    figures: CacheFigures
    ledger: LedgerCheck | None
    rows: Sequence[tuple[Subject, Inspection]]
    redis_usable: bool
    lease_seconds: float


def cache_of_now() -> CachePage:
    """Return the state of the cache; without Redis, as far as PostgreSQL and the counts can tell."""
    tally = Tally(import_string(settings.SERIES)())
    subjects = [_list(), *_procedures(), *_runs()]
    surveyed = survey([subject.resource for subject in subjects], cache.store)
    return CachePage(
        cache_figures(tally),
        last_ledger_check(tally),
        list(zip(subjects, surveyed.inspections, strict=True)),
        surveyed.redis_usable,
        configuration.lease_ms() / 1000,
    )


def _list() -> Subject:
    written_at = Procedure.objects.published().aggregate(at=Max("updated_at"))["at"]
    return Subject(PROCEDURE_LIST, "List of procedures", reverse("console:home"), written_at)


def _procedures() -> Iterator[Subject]:
    """Yield the procedures that were written last."""
    newest = Procedure.objects.published().select_related("current").order_by("-updated_at")
    for procedure in newest[:MOST_OF_A_KIND]:
        yield Subject(
            procedure_resource(procedure.key),
            procedure.current_revision.title,
            reverse("console:procedure", args=[procedure.key]),
            procedure.updated_at,
        )


def _runs() -> Iterator[Subject]:
    """Yield the runs that were started last."""
    newest_event = RunEvent.objects.filter(run=OuterRef("pk")).order_by("-seq").values("recorded_at")[:1]
    runs = Run.objects.order_by(*NEWEST_FIRST).annotate(written_at=Subquery(newest_event))
    for pk, title, written_at in runs.values_list("pk", "title", "written_at")[:MOST_OF_A_KIND]:
        yield Subject(run_resource(pk), title, reverse("console:run", args=[pk]), written_at)
