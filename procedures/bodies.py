"""The bodies of procedures, each built by one statement. That is what a cached read costs on a miss.

PostgreSQL makes the JSON of the steps. It is parsed and written again, so that every byte is as `rest.exact_json`
writes it. tests/procedures/test_bodies.py compares the bodies with those of the serializers, from which the schema and
the fingerprint are made.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from django.db import connection

from procedures.definitions import STEP_MEMBERS
from rest import exact_json, timestamps

# The columns have the names and the order of ProcedureSerializer's members; STEP_MEMBERS has those of StepSerializer.
# Steps come as arrays: without a name for each value there is half as much to send and to read.
STATEMENT = f"""
SELECT
    procedure.key, revision.number AS revision, procedure.status, revision.title, revision.description,
    revision.ordering, procedure.tags, procedure.updated_at,
    (
        SELECT coalesce(json_agg(json_build_array({", ".join(STEP_MEMBERS)}) ORDER BY position), '[]')
        FROM procedures_step WHERE revision_id = revision.id
    )::text AS steps
FROM procedures_procedure procedure JOIN procedures_revision revision ON revision.id = procedure.current_id
WHERE procedure.key = ANY(%s) ORDER BY procedure.key
"""  # noqa: S608  # made from constants
KEYS_OF_LIST = """
SELECT key FROM procedures_procedure WHERE status = 'active' AND current_id IS NOT NULL ORDER BY key
"""
"""The keys of the active procedures, in the order of the list."""


def bodies_of_procedures(keys: Sequence[str]) -> dict[str, bytes]:
    """Return the bodies of the published procedures among these, by key."""
    return {item["key"]: exact_json.dumps(item) for item in _items(keys)}


def body_of_procedure(key: str) -> bytes | None:
    """Return the body of one published procedure, or None if there is none."""
    return bodies_of_procedures([key]).get(key)


def _items(keys: Sequence[str]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [list(keys)])
        names = [column.name for column in cursor.description]
        items = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for item in items:
        item["updated_at"] = timestamps.to_wire(item["updated_at"])
        # There can be thousands of steps: without a Python loop, building the whole body takes a seventh less time.
        item["steps"] = list(map(dict, map(zip, repeat(STEP_MEMBERS), exact_json.loads_stored(item["steps"]))))
    return items
