"""Compare a sample of cached bodies with the database."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from versioned_cache import metrics
from versioned_cache.audit import Verdict, audit
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.command_progress import progress
from versioned_cache.inspection import sampled_resources
from versioned_cache.keys import Resource
from versioned_cache.store import Store


class Command(BaseCommand):
    """`manage.py audit_cache [--sample N]`: exit code 1 if a stale body was found."""

    help = "Compare cached bodies with the database, exactly; counts those that differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sample",
            type=int,
            default=100,
            help="How many resources, besides those that are the only ones of their kind (100).",
        )

    def handle(self, *, sample: int, **_options: Any) -> None:
        if sample < 0:
            raise CommandError("--sample must not be negative.")
        store = Store()
        resources = sampled_resources(sample)
        counts: Counter[Verdict] = Counter()
        try:
            with progress(self.stderr, len(resources), "resources") as advance:
                for resource in resources:
                    counts[self._verdict_on(resource, store)] += 1
                    advance(1)
        except CacheUnavailable as error:
            raise CommandError(f"Redis is unusable: {error}") from None
        metrics.AUDITED_AT.set_to_current_time()
        self.stdout.write(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict))
        if counts[Verdict.STALE]:
            raise CommandError("Stale bodies were found.")

    def _verdict_on(self, resource: Resource, store: Store) -> Verdict:
        """Audit a resource; a stale one is printed at once."""
        outcome = audit(resource, store)
        if outcome.verdict is Verdict.STALE:
            self.stderr.write(f"{resource.name}: {outcome.detail}")
        return outcome.verdict
