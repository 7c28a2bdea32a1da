"""Export procedures as a bundle."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from procedures.bundles import write_bundle
from procedures.models import Procedure, ProcedureStatus


class Command(BaseCommand):
    """`manage.py export_procedures [KEY…]` writes a bundle to standard output."""

    help = "Write the current revisions as a bundle, which import_procedures can read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "keys", nargs="*", metavar="KEY", help="Export only these; by default all active procedures."
        )

    def handle(self, *, keys: list[str], **_options: Any) -> None:
        published = Procedure.objects.published().with_steps()
        procedures = list(published.filter(key__in=keys) if keys else published.filter(status=ProcedureStatus.ACTIVE))
        if missing := set(keys) - {procedure.key for procedure in procedures}:
            raise CommandError(f"No such procedure: {', '.join(sorted(missing))}")
        self.stdout.write(write_bundle(procedures), ending="")
