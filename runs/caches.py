"""The cached read of a run: what its body is built from."""

from uuid import UUID

from procedures.versioned_cache.keys import run_resource
from procedures.versioned_cache.reads import CachedRead
from rest import exact_json
from rest.fingerprints import fingerprint_of
from runs.records import record_with_id
from runs.serializers import RunSerializer

FINGERPRINT = fingerprint_of(RunSerializer)


def fetch_run(run_id: UUID) -> bytes:
    """Build a run's body from PostgreSQL.

    Raises:
        RunNotFound: there is none with this id.
    """
    return exact_json.dumps(RunSerializer(record_with_id(run_id)).data)


read_run = CachedRead(FINGERPRINT, run_resource, fetch_run)
"""One run with its history, by its `run_id`."""
