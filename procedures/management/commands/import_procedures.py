"""Import bundles of procedures."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from procedures.actions import import_procedure
from procedures.bundles import InvalidBundle, read_bundle
from procedures.definitions import Definition
from procedures.models import Procedure
from procedures.problems import PROCEDURE_KEY_TAKEN
from rest import timestamps
from rest.problems import VALIDATION_FAILED
from versioned_cache.command_progress import progress


class Command(BaseCommand):
    """`manage.py import_procedures FILE…` imports everything or nothing; importing the same again changes nothing."""

    help = "Publish the procedures in bundle files, in one transaction. Unchanged content makes no new revision."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *, files: list[Path], **_options: Any) -> None:
        definitions = self._read(files)
        now = timestamps.now()
        outcomes: list[str] = []
        with transaction.atomic(), progress(self.stderr, len(definitions), "procedures") as advance:
            for path, definition in definitions:
                outcomes.append(_outcome(self._publish(path, definition, now), now))
                advance(1)
        for outcome in outcomes:
            self.stdout.write(outcome)

    @staticmethod
    def _read(files: list[Path]) -> list[tuple[Path, Definition]]:
        """Read every file before reporting, so that one run shows everything that is wrong."""
        definitions: list[tuple[Path, Definition]] = []
        errors: list[str] = []
        for path in files:
            try:
                definitions += [(path, definition) for definition in read_bundle(path)]
            except InvalidBundle as error:
                errors.append(str(error))
        errors += _repetitions(definitions)
        if errors:
            raise CommandError("Nothing was imported.\n" + "\n".join(errors))
        return definitions

    @staticmethod
    def _publish(path: Path, definition: Definition, now: datetime) -> Procedure:
        try:
            return import_procedure(definition=definition, now=now)
        except PROCEDURE_KEY_TAKEN:
            raise CommandError(
                f"Nothing was imported.\n{path}: the key {definition.key!r} belongs to an unpublished draft."
            ) from None
        except VALIDATION_FAILED as refusal:
            findings = refusal.extensions["errors"]
            lines = [f"{path}: {definition.key}: {finding['pointer']}: {finding['detail']}" for finding in findings]
            raise CommandError("\n".join(["Nothing was imported.", *lines])) from None


def _repetitions(definitions: list[tuple[Path, Definition]]) -> list[str]:
    """Return a complaint for each repeated key, since which definition counts would be a guess."""
    first_seen: dict[str, Path] = {}
    errors: list[str] = []
    for path, definition in definitions:
        if definition.key in first_seen:
            errors.append(f"{path}: the key {definition.key!r} is already defined in {first_seen[definition.key]}.")
        first_seen.setdefault(definition.key, path)
    return errors


def _outcome(procedure: Procedure, now: datetime) -> str:
    revision = procedure.current_revision
    done = "published" if revision.published_at == now else "updated" if procedure.updated_at == now else "unchanged"
    return f"{procedure.key}: revision {revision.number} {done}"
