"""Show what PostgreSQL and Redis have of a resource."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from versioned_cache.inspection import Inspection, survey
from versioned_cache.keys import kinds, known_names, resource_named
from versioned_cache.store import Store


class Command(BaseCommand):
    """`manage.py inspect_cache [RESOURCE…]`, by default of those that are the only ones of their kind.

    While Redis is unusable it shows what PostgreSQL says, and exits with 1.
    """

    help = "Show a resource's version in PostgreSQL and Redis, its lease, and its payload."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="RESOURCE", help=known_names())

    def handle(self, *, names: list[str], **_options: Any) -> None:
        try:
            wanted = names or [kind.key for kind in kinds.values() if not kind.has_identifiers]
            resources = [resource_named(name) for name in wanted]
        except ValueError as error:
            raise CommandError(str(error)) from None
        found = survey(resources, Store())
        for inspection in found.inspections:
            self.stdout.write(inspection.resource.name)
            self.stdout.write(f"  version in PostgreSQL  {_or_none(inspection.version)}")
            if found.redis_usable:
                self.stdout.write(_in_redis(inspection))
        if not found.redis_usable:
            raise CommandError(f"Redis does not answer ({found.redis_failure}).")


def _in_redis(found: Inspection) -> str:
    lines = [f"  counter in Redis       {_or_none(found.counter)}"]
    lines.append(f"  lease                  {_lease(found)}")
    if found.payload is None:
        lines.append("  payload                none under this version")
    else:
        size, age_seconds = found.payload.size_bytes, found.payload.age_seconds
        lines.append(f"  payload                {size} bytes, shape {found.payload.fingerprint}, {age_seconds} s old")
    return "\n".join(lines)


def _lease(found: Inspection) -> str:
    if found.lease_ms is None:
        return "none runs"
    return "never ends: bump_cache puts it right" if found.never_ends else f"{found.lease_ms} ms left"


def _or_none(number: int | None) -> str:
    return "none" if number is None else str(number)
