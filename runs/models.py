"""Runs and their ledger of events. What must always hold is a constraint in the database."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import uuid_utils.compat
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import ExpressionWrapper, Q

from procedures.models import Revision, Step
from procedures.search import FEW, ids_if_few
from rest.exact_json import ExactDecoder, ExactEncoder
from runs.problems import RUN_NOT_FOUND
from runs.search import MAX_WORD_LENGTH, MAX_WORDS, has_words, ids_like, words_in
from runs.states import ENDED, RESOLVING_KINDS, STEP_KINDS, EventKind, RunStatus

NEWEST_FIRST = ("-started_at", "-id")
UNUSUAL = Q(kind__in=[EventKind.AMEND, EventKind.SKIP, EventKind.ABORT]) | ~Q(deviations=[])
"""The condition that an event tells of what went otherwise than written."""


class RunQuerySet(models.QuerySet["Run"]):
    """Queries for runs."""

    def with_head(self) -> "RunQuerySet":
        """Return the runs with their pinned revisions and procedures."""
        return self.select_related("revision__procedure")

    def found_by(self, text: str) -> "RunQuerySet":
        """Return the runs with all the words of a text (`runs.search`), and those whose id begins with the text.

        Words beyond `MAX_WORDS` are ignored. Ask `few_found_by` first.
        """
        found = _with_words_of(text).values("run")
        if ids := ids_like(text):
            found = found.union(Run.objects.filter(pk__range=ids).order_by().values("pk"))
        return self.filter(pk__in=found)

    def get_existing(self, run_id: UUID) -> "Run":
        """Return the run with this id.

        Raises:
            RUN_NOT_FOUND: no run has this id.
        """
        run = self.filter(pk=run_id).first()
        if run is None:
            raise RUN_NOT_FOUND
        return run


class Run(models.Model):
    """The head of one execution of a published revision."""

    # UUIDv7 (RFC 9562 §5.7): unique without coordination, and ordered by time for runs of the same millisecond too.
    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="runs", db_index=False)
    title = models.CharField(max_length=200)
    external_ref = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  # null is the API's "none"
    status = models.CharField(max_length=11, choices=RunStatus, default=RunStatus.IN_PROGRESS)
    last_seq = models.PositiveIntegerField(help_text="The seq of the newest event.")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    started_by_name = models.CharField(max_length=301)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(null=True, blank=True)  # noqa: DJ001  # null is the API's "none"
    idempotency_key = models.CharField(max_length=255, null=True, editable=False)  # noqa: DJ001  # null: none sent
    request_sha256 = models.CharField(max_length=64, blank=True, editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = NEWEST_FIRST
        # Each has the runs that a filter of runs/pages.py selects in the order of the list, so that a page costs what
        # is on it. PostgreSQL reads an index in both directions. They serve the foreign keys too.
        indexes = [
            models.Index(fields=["started_at", "id"], name="run_by_start"),
            models.Index(fields=["status", "started_at", "id"], name="run_by_status_and_start"),
            models.Index(fields=["external_ref", "started_at", "id"], name="run_by_reference_and_start"),
            models.Index(fields=["revision", "status", "started_at", "id"], name="run_by_revision_and_start"),
            models.Index(fields=["started_by", "status", "started_at", "id"], name="run_by_starter_and_start"),
        ]
        permissions = [
            ("execute_run", "Can start runs, and commit, skip, amend, pause and resume in running ones"),
            ("abort_run", "Can abort runs"),
            ("amend_completed_run", "Can amend completed runs"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["started_by", "idempotency_key"], name="run_is_started_once_per_idempotency_key"
            ),
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status_is_known"),
            models.CheckConstraint(condition=Q(last_seq__gte=1), name="run_has_at_least_its_start"),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, ended_at__isnull=False)
                | (~Q(status__in=ENDED) & Q(ended_at__isnull=True)),
                name="run_has_an_end_when_it_has_ended",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class RunWords(models.Model):
    """The words that a run is found by. The database makes them: `runs.search`."""

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="+")
    words = SearchVectorField()

    class Meta:
        default_permissions = ()  # nobody sees or changes them
        # Without the list of pending entries, which each search would have to read.
        indexes = [GinIndex(fields=["words"], name="run_words_by_word", fastupdate=False)]

    def __str__(self) -> str:
        return str(self.words)


def few_found_by(text: str) -> list[UUID] | None:
    """Return the ids of the runs that `RunQuerySet.found_by` finds; None if they are many (`procedures.search`)."""
    found = ids_if_few(_with_words_of(text).values("run"))
    if found is not None and (ids := ids_like(text)):
        found += Run.objects.filter(pk__range=ids).order_by("pk").values_list("pk", flat=True)[: FEW + 1]
    return found if found is not None and len(found) <= FEW else None


def _with_words_of(text: str) -> models.QuerySet[RunWords]:
    # A word longer than any that a run has is not found, and neither is its beginning.
    words = [word[: MAX_WORD_LENGTH + 1] for word in words_in(text)[:MAX_WORDS]]
    return RunWords.objects.filter(has_words(words))


class RunEventQuerySet(models.QuerySet["RunEvent"]):
    """Queries for events."""

    def newest_of_each_step(self, runs: Iterable[Run]) -> Iterable[tuple[Any, ...]]:
        """Return what each run's newest event about each step says, and its newest about the run as a whole.

        Each is the run's id, the event's hash, and the members of a `LedgerLine`, with the id of the step instead of
        its key: the caller has these already, with the runs' revisions.
        """
        newest = self.filter(run__in=runs).order_by("run_id", "step_id", "-seq").distinct("run_id", "step_id")
        deviates = ExpressionWrapper(~Q(deviations=[]), models.BooleanField())
        return newest.values_list("run_id", "hash", "seq", "kind", "step_id", deviates, "reason", "recorded_at")


class RunEvent(models.Model):
    """One event of a run's ledger, which is commit history and audit trail in one. It never changes."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="events", db_index=False)  # three others begin with it
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=EventKind)
    step = models.ForeignKey(Step, models.PROTECT, null=True, related_name="+")
    values = models.JSONField(default=dict, encoder=ExactEncoder, decoder=ExactDecoder)
    checklist = models.JSONField(default=dict)
    deviations = models.JSONField(default=list, encoder=ExactEncoder, decoder=ExactDecoder)
    note = models.TextField(null=True)  # noqa: DJ001  # null is the API's "none"
    reason = models.TextField(null=True)  # noqa: DJ001  # null is the API's "none"
    amends = models.PositiveIntegerField(null=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=301, help_text="The name at the time; a later renaming changes nothing.")
    recorded_at = models.DateTimeField()
    performed_at = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001  # null: none sent
    request_sha256 = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, help_text="SHA-256 over the hash of the event before and this row.")

    objects = RunEventQuerySet.as_manager()

    class Meta:
        ordering = ["run", "seq"]
        indexes = [
            models.Index(fields=["run", "step", "-seq"], name="event_by_step"),
            models.Index(fields=["recorded_at"], name="unusual_event_by_time", condition=UNUSUAL),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "idempotency_key"], name="event_is_recorded_once_per_idempotency_key"
            ),
            models.UniqueConstraint(fields=["run", "seq"], name="event_seq_is_unique_in_its_run"),
            models.UniqueConstraint(
                fields=["run", "step"], condition=Q(kind__in=RESOLVING_KINDS), name="step_is_resolved_once_per_run"
            ),
            models.CheckConstraint(condition=Q(kind__in=EventKind.values), name="event_kind_is_known"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="event_seq_counts_from_one"),
            models.CheckConstraint(
                condition=Q(kind__in=STEP_KINDS, step__isnull=False) | (~Q(kind__in=STEP_KINDS) & Q(step__isnull=True)),
                name="event_has_a_step_when_it_is_about_one",
            ),
            models.CheckConstraint(
                condition=Q(kind=EventKind.AMEND, amends__isnull=False)
                | (~Q(kind=EventKind.AMEND) & Q(amends__isnull=True)),
                name="event_amends_when_it_is_an_amendment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Receipt(models.Model):
    """What a request with an Idempotency-Key was answered, so that a repetition gets the same answer, to the byte.

    Events from before answers were kept have none.
    """

    event = models.OneToOneField(RunEvent, models.PROTECT, primary_key=True, related_name="receipt")
    body = models.BinaryField()
    entity_tag = models.CharField(max_length=63)

    class Meta:
        default_permissions = ()  # nobody sees or changes them

    def __str__(self) -> str:
        return f"{self.event} for {self.event.idempotency_key}"
