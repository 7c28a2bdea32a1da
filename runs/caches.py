"""The cached read of a run, with its history."""

from rest import exact_json, timestamps
from runs import bodies, progress
from runs.problems import RUN_NOT_FOUND
from runs.serializers import RunSerializer
from versioned_cache.http.fingerprints import fingerprint_of
from versioned_cache.keys import ResourceKind, register
from versioned_cache.reads import CachedRead, declare

FINGERPRINT = fingerprint_of(RunSerializer, bodies, progress, exact_json, timestamps)

run_resource = register(ResourceKind("run", key="procedures:run:{run_id}"))

read_run = declare(CachedRead(run_resource, bodies.body_of_run, FINGERPRINT, not_found=RUN_NOT_FOUND))
"""One run with its history, by its `run_id`."""
