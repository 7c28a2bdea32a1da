"""The cached read of a run: what its body is built from."""

from uuid import UUID

from rest.fingerprints import fingerprint_of
from runs.bodies import body_of_run
from runs.models import RunNotFound
from runs.serializers import RunSerializer
from versioned_cache.keys import run_resource
from versioned_cache.reads import CachedRead

FINGERPRINT = fingerprint_of(RunSerializer)


def fetch_run(run_id: UUID) -> bytes:
    """Build a run's body from PostgreSQL.

    Raises:
        RunNotFound: there is none with this id.
    """
    body = body_of_run(run_id)
    if body is None:
        raise RunNotFound
    return body


read_run = CachedRead(FINGERPRINT, run_resource, fetch_run)
"""One run with its history, by its `run_id`."""
