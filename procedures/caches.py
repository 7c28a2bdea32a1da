"""The cached reads of procedures: the list, and each procedure."""

from procedures import bodies, definitions
from procedures.problems import PROCEDURE_NOT_FOUND
from procedures.serializers import ProcedureSerializer
from rest import exact_json, timestamps
from versioned_cache.composer import ItemSource
from versioned_cache.http.fingerprints import fingerprint_of
from versioned_cache.keys import ResourceKind, register
from versioned_cache.reads import CachedRead, declare

FINGERPRINT = fingerprint_of(ProcedureSerializer, bodies, definitions, exact_json, timestamps)

list_resource = register(ResourceKind("list", key="procedures:list"))
procedure_resource = register(ResourceKind("procedure", key="procedures:procedure:{key}"))

PROCEDURE_LIST = list_resource()

PROCEDURES = ItemSource(procedure_resource, bodies.KEYS_OF_LIST, bodies.bodies_of_procedures)

read_procedure_list = declare(CachedRead(list_resource, PROCEDURES, FINGERPRINT))
"""The complete list of active procedures with their steps, ordered by key."""

read_procedure = declare(
    CachedRead(procedure_resource, bodies.body_of_procedure, FINGERPRINT, not_found=PROCEDURE_NOT_FOUND)
)
"""One procedure, by its `key`, even if it is archived."""
