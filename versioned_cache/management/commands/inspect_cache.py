"""Show how a resource stands in PostgreSQL and in Redis."""

import math
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.inspection import Inspection, inspect
from versioned_cache.keys import kinds, known_names, resource_named
from versioned_cache.store import Store


class Command(BaseCommand):
    """`manage.py inspect_cache [RESOURCE…]`, by default of those that are the only ones of their kind."""

    help = "Show a resource's version in PostgreSQL and Redis, its lease, and its payload."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="RESOURCE", help=known_names())

    def handle(self, *, names: list[str], **_options: Any) -> None:
        try:
            for name in names or [kind.key for kind in kinds.values() if not kind.has_identifiers]:
                self.stdout.write(_text_of(inspect(resource_named(name), Store())))
        except (ValueError, CacheUnavailable) as error:
            raise CommandError(str(error)) from None


def _text_of(found: Inspection) -> str:
    lines = [found.resource.name]
    lines.append(f"  version in PostgreSQL  {_or_none(found.version)}")
    lines.append(f"  counter in Redis       {_or_none(found.counter)}")
    lines.append(f"  lease                  {_lease(found.lease_ms)}")
    if found.payload is None:
        lines.append("  payload                none under this version")
    else:
        size, age_seconds = len(found.payload.body), found.payload.age_ms // 1000
        lines.append(f"  payload                {size} bytes, shape {found.payload.fingerprint}, {age_seconds} s old")
    return "\n".join(lines)


def _lease(left_ms: float | None) -> str:
    if left_ms is None:
        return "none runs"
    return "never ends: bump_cache puts it right" if math.isinf(left_ms) else f"{left_ms} ms left"


def _or_none(number: int | None) -> str:
    return "none" if number is None else str(number)
