"""Export procedures as a bundle."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from procedures.bundles import HOW_TO_DIVIDE, MAX_BUNDLE_BYTES, MAX_BUNDLE_MIB, write_bundle
from procedures.models import Procedure, ProcedureQuerySet, ProcedureStatus
from versioned_cache.command_progress import progress
from versioned_cache.versions import one_snapshot

BATCH = 200


class Command(BaseCommand):
    """`manage.py export_procedures [KEY…]` writes a bundle to standard output."""

    help = "Write the current revisions as a bundle, which import_procedures can read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "keys", nargs="*", metavar="KEY", help="Export only these; by default all active procedures."
        )

    def handle(self, *, keys: list[str], **_options: Any) -> None:
        chosen = Procedure.objects.published()
        chosen = chosen.filter(key__in=keys) if keys else chosen.filter(status=ProcedureStatus.ACTIVE)
        if missing := set(keys) - set(chosen.filter(key__in=keys).values_list("key", flat=True)):
            raise CommandError(f"No such procedure: {', '.join(sorted(missing))}")
        with progress(self.stderr, chosen.count(), "procedures") as advance:
            length = 0
            for piece in write_bundle(_in_batches(chosen, advance)):
                self.stdout.write(piece, ending="")
                length += len(piece.encode())
        if length > MAX_BUNDLE_BYTES:
            self.stderr.write(f"Files over {MAX_BUNDLE_MIB} MiB cannot be imported: {HOW_TO_DIVIDE}.")


def _in_batches(procedures: ProcedureQuerySet, advance: Callable[[int], object]) -> Iterator[Procedure]:
    """Yield the procedures by key; only some are in memory at a time, each batch as of one instant."""
    last_key = ""
    while True:
        with one_snapshot():
            batch = list(procedures.filter(key__gt=last_key).order_by("key").with_steps()[:BATCH])
        if not batch:
            return
        yield from batch
        last_key = batch[-1].key
        advance(len(batch))
