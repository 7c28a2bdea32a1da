"""Hold a sample of cached bodies against the database."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from versioned_cache import metrics
from versioned_cache.audit import Verdict, audit
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.inspection import sampled_resources
from versioned_cache.store import Store


class Command(BaseCommand):
    """`manage.py audit_cache [--sample N]`: exit code 1 if a stale body was found."""

    help = "Compare cached bodies with the database, exactly; counts those that differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sample",
            type=int,
            default=100,
            help="How many resources beside those that are the only ones of their kind (100).",
        )

    def handle(self, *, sample: int, **_options: Any) -> None:
        if sample < 0:
            raise CommandError("--sample must not be negative.")
        store = Store()
        try:
            outcomes = [audit(resource, store) for resource in sampled_resources(sample)]
        except CacheUnavailable as error:
            raise CommandError(f"Redis is unusable: {error}") from None
        for outcome in outcomes:
            if outcome.verdict is Verdict.STALE:
                self.stderr.write(f"{outcome.resource.name}: {outcome.detail}")
        metrics.AUDITED_AT.set_to_current_time()
        counts = Counter(outcome.verdict for outcome in outcomes)
        self.stdout.write(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict))
        if counts[Verdict.STALE]:
            raise CommandError("Stale bodies were found.")
