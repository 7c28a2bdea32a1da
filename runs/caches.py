"""The cached read of a run: what its body is built from."""

from uuid import UUID

from procedures.versioned_cache.engine import Representation, cache
from procedures.versioned_cache.keys import run_resource
from rest import exact_json
from rest.fingerprints import fingerprint_of
from runs.records import record_with_id
from runs.serializers import RunSerializer

FINGERPRINT = fingerprint_of(RunSerializer)


def read_run(run_id: UUID, known: frozenset[int] = frozenset()) -> Representation:
    """Return one run with its history.

    Raises:
        RunNotFound: there is none with this id.
    """
    return cache.read(run_resource(run_id), FINGERPRINT, lambda: fetch_run(run_id), known)


def fetch_run(run_id: UUID) -> bytes:
    """Build a run's body from PostgreSQL."""
    return exact_json.dumps(RunSerializer(record_with_id(run_id)).data)
