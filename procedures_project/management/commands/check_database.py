"""Find what a database lacks, and mend it: after a restore, a failover, or changes in psql."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from procedures_project.postgresql.inspection import faults_of_database
from procedures_project.postgresql.objects import RECORD, Fault, record


class Command(BaseCommand):
    """`manage.py check_database` says what is missing or disabled, a line each; with `--mend` it puts that right."""

    help = "Find triggers, functions, versions, constraints and migrations that are missing. Exits with 1 if any are."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mend", action="store_true", help="Recreate, or enable, what can be.")
        parser.add_argument(
            "--record", action="store_true", help="For developers: record what this database has as the reference."
        )

    def handle(self, *, mend: bool, record: bool, **_options: Any) -> None:
        if record:
            _record()
            return
        faults = faults_of_database()
        if mend:
            self._mend(faults)
            faults = faults_of_database()
        for fault in faults:
            self.stdout.write(fault.text)
        if faults:
            advice = "" if mend else " Try --mend."
            raise CommandError(f"Faults: {len(faults)}.{advice}")
        self.stdout.write("No faults.")

    @transaction.atomic
    def _mend(self, faults: list[Fault]) -> None:
        with connection.cursor() as cursor:
            for fault in faults:
                for statement in fault.mending:
                    cursor.execute(statement)
                if fault.mending:
                    self.stdout.write(f"Mended: {fault.text}")


def _record() -> None:
    with connection.cursor() as cursor:
        RECORD.write_text(record(cursor), encoding="utf-8")
