"""Bump versions by hand: after a restore, or when in doubt."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from versioned_cache.engine import cache
from versioned_cache.inspection import bump_versions, known_resources
from versioned_cache.keys import known_names, resource_named
from versioned_cache.versions import committed_versions


class Command(BaseCommand):
    """`manage.py bump_cache RESOURCE…` or `--all`: nothing that is stored under an earlier version is served again."""

    help = "Bump the versions of resources to the clock, and their counters in Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="RESOURCE", help=known_names())
        parser.add_argument("--all", action="store_true", help="Every resource; to be done after a restore.")

    def handle(self, *, names: list[str], all: bool, **_options: Any) -> None:  # noqa: A002  # the option's name
        if bool(names) == all:
            raise CommandError("Name some resources, or say --all.")
        try:
            resources = list(known_resources()) if all else [resource_named(name) for name in names]
        except ValueError as error:
            raise CommandError(str(error)) from None
        unknown = set(resources) - set(committed_versions(resources))
        if unknown:
            raise CommandError(f"No such resource: {', '.join(sorted(resource.name for resource in unknown))}.")
        with transaction.atomic():
            bump_versions(resources)
        cache.invalidate(resources)
        self.stdout.write(f"Bumped: {len(resources)}.")
