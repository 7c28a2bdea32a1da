"""The cached reads of procedures: what each body is built from."""

from procedures.models import Procedure, ProcedureStatus
from procedures.serializers import ProcedureSerializer, represent
from procedures.versioned_cache.engine import Representation, cache
from procedures.versioned_cache.keys import PROCEDURE_LIST, procedure_resource
from rest import exact_json
from rest.fingerprints import fingerprint_of

FINGERPRINT = fingerprint_of(ProcedureSerializer)


def read_procedure_list(known: frozenset[int] = frozenset()) -> Representation:
    """Return the complete list of active procedures with their steps, ordered by key."""
    return cache.read(PROCEDURE_LIST, FINGERPRINT, fetch_procedure_list, known)


def read_procedure(key: str, known: frozenset[int] = frozenset()) -> Representation:
    """Return one procedure, archived ones too.

    Raises:
        ProcedureNotFound: no such procedure has been published.
    """
    return cache.read(procedure_resource(key), FINGERPRINT, lambda: fetch_procedure(key), known)


def fetch_procedure_list() -> bytes:
    """Build the list's body from PostgreSQL."""
    procedures = Procedure.objects.published().filter(status=ProcedureStatus.ACTIVE).with_steps()
    return exact_json.dumps([represent(procedure) for procedure in procedures])


def fetch_procedure(key: str) -> bytes:
    """Build a procedure's body from PostgreSQL."""
    return exact_json.dumps(represent(Procedure.objects.with_steps().get_published(key)))
