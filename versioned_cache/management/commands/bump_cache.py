"""Bump versions by hand: after a restore, or when in doubt."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.command_progress import progress
from versioned_cache.configuration import lease_ms
from versioned_cache.engine import cache
from versioned_cache.inspection import bump_versions, count_of_known_resources, known_resources
from versioned_cache.keys import Resource, known_names, resource_named
from versioned_cache.versions import committed_versions

BATCH = 200  # small enough for the deadline of a bump and for the fence, also on a busy machine
TRIES = 4
PAUSE_SECONDS = 0.25  # before the second try; twice as long before each one after it


class Command(BaseCommand):
    """`manage.py bump_cache RESOURCE…` or `--all`: nothing that is stored under an earlier version is served again."""

    help = "Bump the versions of resources to the clock, and their counters in Redis. Exits with 1 if any was lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="RESOURCE", help=known_names())
        parser.add_argument("--all", action="store_true", help="Every resource; to be done after a restore.")

    def handle(self, *, names: list[str], all: bool, **_options: Any) -> None:  # noqa: A002  # the option's name
        if bool(names) == all:
            raise CommandError("Name some resources, or say --all.")
        resources = known_resources() if all else iter(_named(names))
        total = count_of_known_resources() if all else len(names)
        bumped = lost = 0
        failure = cause = ""
        with progress(self.stderr, total, "resources") as advance:
            for batch in _batches(resources):
                # After Redis has failed all tries once, there is only one try a batch until it has answered.
                failure = _bump(batch, tries=1 if failure else TRIES)
                bumped += len(batch)
                if failure:
                    lost, cause = lost + len(batch), failure
                advance(len(batch))
        self.stdout.write(f"Bumped: {bumped}.")
        if lost:
            raise CommandError(
                f"Redis did not take {lost} of them ({cause}). Their versions are bumped in PostgreSQL; cached"
                f" reads of them may be late by {lease_ms()} ms from now on. Try again to be sure."
            )


def _named(names: list[str]) -> list[Resource]:
    """Return the resources of these names, each once.

    Raises:
        CommandError: one of them does not exist.
    """
    try:
        resources = list(dict.fromkeys(resource_named(name) for name in names))
    except ValueError as error:
        raise CommandError(str(error)) from None
    if unknown := set(resources) - set(committed_versions(resources)):
        raise CommandError(f"No such resource: {', '.join(sorted(resource.name for resource in unknown))}.")
    return resources


def _batches(resources: Iterable[Resource]) -> Iterator[list[Resource]]:
    iterator = iter(resources)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _bump(batch: Sequence[Resource], tries: int) -> str:
    """Bump some resources in PostgreSQL, and then in Redis; return why Redis did not take it, or nothing."""
    with transaction.atomic():
        bump_versions(list(batch))
    cause = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            cache.bump(batch)
        except CacheUnavailable as error:
            cause = str(error)
        else:
            return ""
    return cause
