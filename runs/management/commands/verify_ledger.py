"""Check the chains of hashes of runs, some thousand events at a time, each time in a snapshot of its own.

A run that was removed with all its events leaves nothing to check. So the command prints the number of runs, and the
newest run with its hash: noted elsewhere, they show later what has gone missing since.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import DataError
from django.db.models import QuerySet

from runs import metrics
from runs.ledger import faults_in_each
from runs.models import Run, RunEvent
from versioned_cache.command_progress import progress
from versioned_cache.versions import one_snapshot

logger = structlog.get_logger(__name__)

RUNS_PER_FETCH = 1_000
EVENTS_PER_BATCH = 4_000
INTERRUPTED = 130  # as a shell says it (128 + SIGINT)


class Command(BaseCommand):
    """`manage.py verify_ledger [RUN_ID…]` checks that what runs have recorded was not changed since."""

    help = "Check the events of all runs, or of those named, against their hashes. Exits with 1 when any is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "run_ids", nargs="*", type=UUID, metavar="RUN_ID", help="Check only these; by default all runs."
        )
        parser.add_argument("--after", type=UUID, metavar="RUN_ID", help="Go on after this run, oldest first.")

    def handle(self, *, run_ids: list[UUID], after: UUID | None, **_options: Any) -> None:
        self._runs = self._events = self._faulty = 0
        self._last = after
        runs = _named(run_ids) if run_ids else Run.objects.all()
        if after is not None:
            runs = runs.filter(pk__gt=after)
        try:
            with progress(self.stderr, runs.count(), "runs") as advance:
                for batch in _batches(runs):
                    self._check(batch)
                    advance(len(batch))
        except KeyboardInterrupt:
            again = f" Go on with --after {self._last}." if self._last else ""
            raise CommandError(f"Stopped. {self._counts()}{again}", returncode=INTERRUPTED) from None
        if not run_ids and after is None:
            metrics.FAULTY.set(self._faulty)
            metrics.CHECKED_AT.set_to_current_time()
        if self._faulty:
            raise CommandError(f"Faulty runs: {self._faulty} of {self._runs}.")
        self.stdout.write(f"No faults. {self._counts()}")
        if not run_ids:
            self._print_newest()

    def _check(self, batch: dict[UUID, int]) -> None:
        """Check the runs of a batch, which has the number of events of each."""
        for run_id, faults in _faults_in(list(batch)):
            for fault in faults:
                self.stdout.write(f"{run_id}: {fault}")
            if faults:
                self._faulty += 1
                logger.error("ledger_faulty", run_id=str(run_id), fault=faults[0], faults=len(faults))
        self._runs += len(batch)
        self._events += sum(batch.values())
        self._last = max(batch)

    def _counts(self) -> str:
        faulty = f", faulty: {self._faulty}" if self._faulty else ""
        return f"Runs checked: {self._runs}, events: {self._events}{faulty}."

    def _print_newest(self) -> None:
        newest = RunEvent.objects.filter(run=Run.objects.order_by("-pk")[:1]).order_by("-seq").first()
        if newest is not None:
            self.stdout.write(
                f"Note this elsewhere: newest run {newest.run_id}, event {newest.seq}, hash {newest.hash}."
            )


def _named(run_ids: list[UUID]) -> QuerySet[Run]:
    """Return these runs.

    Raises:
        CommandError: one of them does not exist.
    """
    runs = Run.objects.filter(pk__in=run_ids)
    if unknown := set(run_ids) - set(runs.values_list("pk", flat=True)):
        raise CommandError(f"No such run: {', '.join(sorted(map(str, unknown)))}")
    return runs


def _batches(runs: QuerySet[Run]) -> Iterator[dict[UUID, int]]:
    """Yield the ids of runs, oldest first, with how many events each has; together not many in a batch."""
    batch: dict[UUID, int] = {}
    rest, is_more = runs.order_by("pk").values_list("pk", "last_seq"), True
    while is_more:
        fetched = list(rest[:RUNS_PER_FETCH])
        for run_id, events in fetched:
            if batch and sum(batch.values()) + events > EVENTS_PER_BATCH:
                yield batch
                batch = {}
            batch[run_id] = events
        is_more = len(fetched) == RUNS_PER_FETCH
        if is_more:
            rest = rest.filter(pk__gt=fetched[-1][0])
    if batch:
        yield batch


def _faults_in(run_ids: list[UUID]) -> list[tuple[UUID, list[str]]]:
    """Return what is wrong with each of some runs; where one cannot be read, the others are."""
    try:
        with one_snapshot():
            return faults_in_each(run_ids)
    except DataError as error:
        # Such as an instant that PostgreSQL can store and Python cannot; the service never wrote it.
        if len(run_ids) == 1:
            return [(run_ids[0], [f"it cannot be read: {error}"])]
    return [found for run_id in run_ids for found in _faults_in([run_id])]
