"""The cached reads of procedures: what each body is built from."""

from procedures.models import Procedure, ProcedureStatus
from procedures.serializers import ProcedureSerializer, represent
from procedures.versioned_cache.keys import PROCEDURE_LIST, procedure_resource
from procedures.versioned_cache.reads import CachedRead
from rest import exact_json
from rest.fingerprints import fingerprint_of

FINGERPRINT = fingerprint_of(ProcedureSerializer)


def fetch_procedure_list() -> bytes:
    """Build the list's body from PostgreSQL."""
    procedures = Procedure.objects.published().filter(status=ProcedureStatus.ACTIVE).with_steps()
    return exact_json.dumps([represent(procedure) for procedure in procedures])


def fetch_procedure(key: str) -> bytes:
    """Build a procedure's body from PostgreSQL.

    Raises:
        ProcedureNotFound: no such procedure has been published.
    """
    return exact_json.dumps(represent(Procedure.objects.with_steps().get_published(key)))


read_procedure_list = CachedRead(FINGERPRINT, lambda: PROCEDURE_LIST, fetch_procedure_list)
"""The complete list of active procedures with their steps, ordered by key."""

read_procedure = CachedRead(FINGERPRINT, procedure_resource, fetch_procedure)
"""One procedure, by its `key`, archived ones too."""
