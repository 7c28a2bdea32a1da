"""The cached read of a run: what its body is built from."""

from uuid import UUID

from rest.fingerprints import fingerprint_of
from runs.bodies import body_of_run
from runs.problems import RUN_NOT_FOUND
from runs.serializers import RunSerializer
from versioned_cache.keys import run_resource
from versioned_cache.reads import CachedRead

FINGERPRINT = fingerprint_of(RunSerializer)


def fetch_run(run_id: UUID) -> bytes:
    """Build a run's body from PostgreSQL.

    Raises:
        RUN_NOT_FOUND: there is none with this id.
    """
    body = body_of_run(run_id)
    if body is None:
        raise RUN_NOT_FOUND
    return body


read_run = CachedRead(FINGERPRINT, run_resource, fetch_run)
"""One run with its history, by its `run_id`."""
