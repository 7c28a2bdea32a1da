"""Bodies of procedures, built by one statement: what a cached read costs when nobody has its body.

PostgreSQL makes the JSON, in the order of the serializers' fields; it is read and written once more, so that every byte
is as `rest.exact_json` writes it. tests/procedures/test_bodies.py holds the bodies against the serializers', which stay
what the schema and the fingerprint are made from.
"""

from django.db import connection

from rest import exact_json

# The columns are the members; their names and order are those of ProcedureSerializer and StepSerializer.
STATEMENT = """
SELECT json_agg(item)::text FROM (
    SELECT
        procedure.key, revision.number AS revision, procedure.status, revision.title, revision.description,
        revision.ordering, procedure.tags,
        to_char(procedure.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
        (
            SELECT coalesce(json_agg(step), '[]') FROM (
                SELECT
                    key, title, instructions, caution, role, skippable, expected_duration_s, slots, checklist
                FROM procedures_step WHERE revision_id = revision.id ORDER BY position
            ) step
        ) AS steps
    FROM procedures_procedure procedure JOIN procedures_revision revision ON revision.id = procedure.current_id
    WHERE {condition} ORDER BY procedure.key
) item
"""
ACTIVE = STATEMENT.format(condition="procedure.status = 'active'")
WITH_KEY = STATEMENT.format(condition="procedure.key = %s")


def body_of_list() -> bytes:
    """Return the body of the complete list of active procedures."""
    return exact_json.dumps(_items(ACTIVE))


def body_of_procedure(key: str) -> bytes | None:
    """Return the body of one published procedure, or None where there is none."""
    items = _items(WITH_KEY, key)
    return exact_json.dumps(items[0]) if items else None


def _items(statement: str, *parameters: str) -> list[exact_json.JSON]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        (text,) = cursor.fetchone()
    return [] if text is None else exact_json.loads_stored(text)
