"""Check the chains of hashes of runs.

A run that was removed with all its events leaves nothing to check. So the command prints the number of runs, and the
newest run with its hash: noted elsewhere, they show later what has gone missing since.
"""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import DataError

from runs.ledger import faults_in
from runs.models import Run, RunEvent
from runs.problems import RUN_NOT_FOUND
from versioned_cache.versions import one_snapshot


class Command(BaseCommand):
    """`manage.py verify_ledger [RUN_ID…]` checks that what runs have recorded was not changed since."""

    help = "Check the events of all runs, or of those named, against their hashes. Exits with 1 when any is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "run_ids", nargs="*", type=UUID, metavar="RUN_ID", help="Check only these; by default all runs."
        )

    def handle(self, *, run_ids: list[UUID], **_options: Any) -> None:
        runs = events = faulty = 0
        for run_id in run_ids or _all_run_ids():
            faults, last_seq = _checked(run_id)
            for fault in faults:
                self.stdout.write(f"{run_id}: {fault}")
            runs, events, faulty = runs + 1, events + last_seq, faulty + bool(faults)
        if faulty:
            raise CommandError(f"Faulty runs: {faulty} of {runs}.")
        self.stdout.write(f"No faults. Runs checked: {runs}, events: {events}.")
        if not run_ids:
            self._print_newest()

    def _print_newest(self) -> None:
        newest = RunEvent.objects.filter(run=Run.objects.order_by("-pk")[:1]).order_by("-seq").first()
        if newest is not None:
            self.stdout.write(
                f"Note this elsewhere: newest run {newest.run_id}, event {newest.seq}, hash {newest.hash}."
            )


def _all_run_ids() -> Iterable[UUID]:
    return Run.objects.order_by("pk").values_list("pk", flat=True).iterator()


def _checked(run_id: UUID) -> tuple[list[str], int]:
    """Return what is wrong with a run, and how many events it has."""
    try:
        with one_snapshot():
            run = Run.objects.with_head().get_existing(run_id)
            return faults_in(run), run.last_seq
    except RUN_NOT_FOUND:
        raise CommandError(f"No such run: {run_id}") from None
    except DataError as error:
        # Such as an instant that PostgreSQL can store and Python cannot; the service never wrote it.
        return [f"it cannot be read: {error}"], 0
