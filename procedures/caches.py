"""The cached reads of procedures: what each body is built from."""

from procedures.bodies import body_of_list, body_of_procedure
from procedures.problems import PROCEDURE_NOT_FOUND
from procedures.serializers import ProcedureSerializer
from rest.fingerprints import fingerprint_of
from versioned_cache.keys import PROCEDURE_LIST, procedure_resource
from versioned_cache.reads import CachedRead

FINGERPRINT = fingerprint_of(ProcedureSerializer)


def fetch_procedure(key: str) -> bytes:
    """Build a procedure's body from PostgreSQL.

    Raises:
        PROCEDURE_NOT_FOUND: no such procedure has been published.
    """
    body = body_of_procedure(key)
    if body is None:
        raise PROCEDURE_NOT_FOUND
    return body


read_procedure_list = CachedRead(FINGERPRINT, lambda: PROCEDURE_LIST, body_of_list)
"""The complete list of active procedures with their steps, ordered by key."""

read_procedure = CachedRead(FINGERPRINT, procedure_resource, fetch_procedure)
"""One procedure, by its `key`, archived ones too."""
