"""Check the chains of hashes of runs."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import DataError

from procedures.versioned_cache.versions import one_snapshot
from runs.ledger import faults_in
from runs.models import Run, RunNotFound


class Command(BaseCommand):
    """`manage.py verify_ledger [RUN_ID…]` tells whether anybody has touched what runs have recorded."""

    help = "Hold the events of all runs, or of those named, against their hashes. Exits with 1 when any is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run_ids", nargs="*", type=UUID, metavar="RUN_ID", help="Only these; by default all runs.")

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


def _all_run_ids() -> Iterable[UUID]:
    return Run.objects.order_by("pk").values_list("pk", flat=True).iterator()


def _checked(run_id: UUID) -> tuple[list[str], int]:
    """Return what is wrong with a run, and how many events it counts."""
    try:
        with one_snapshot():
            run = Run.objects.with_head().get_existing(run_id)
            return list(faults_in(run)), run.last_seq
    except RunNotFound:
        raise CommandError(f"No such run: {run_id}") from None
    except DataError as error:
        # Such as an instant that PostgreSQL can hold and Python cannot: nothing that the service wrote.
        return [f"it cannot be read: {error}"], 0
