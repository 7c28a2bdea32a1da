"""A database of any size, made by a few statements: for tests and measurements of what grows with it.

The rows fit each other, and the versions are there. The hashes of the events are only of the right length, so
`manage.py verify_ledger` would object to every run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

TABLES = ("procedures_procedure", "procedures_revision", "procedures_step", "runs_run", "runs_runevent")
PEOPLE = """
INSERT INTO auth_user (username, password, first_name, last_name, email, is_staff, is_active, is_superuser, date_joined)
SELECT 'person-' || n, '!', 'Given' || n, 'Family' || n, '', false, true, false, now()
FROM generate_series(1, %(people)s) n
"""
PROCEDURES = """
INSERT INTO procedures_procedure (key, status, tags, created_at, updated_at)
SELECT 'large-' || n, CASE WHEN n %% 100 = 0 THEN 'archived' ELSE 'active' END,
    ARRAY['tag-' || n %% 500, CASE WHEN n <= 10 THEN 'rare' ELSE 'common' END], now(), now() - n * interval '1 minute'
FROM generate_series(1, %(procedures)s) n
"""
REVISIONS = """
INSERT INTO procedures_revision (
    procedure_id, number, title, description, ordering, change_note, content_sha256, step_count, created_at,
    published_at
)
SELECT id, number, CASE number WHEN 1 THEN 'First title of ' ELSE 'Title of ' END || key || '.', 'What it is about',
    'strict', '', repeat('0', 64), %(steps)s, now(), now()
FROM procedures_procedure, generate_series(1, 2) number WHERE key LIKE 'large-%%'
"""
# One procedure in ten has a draft.
DRAFTS = """
INSERT INTO procedures_revision (
    procedure_id, based_on_id, title, description, ordering, change_note, content_sha256, step_count, created_at
)
SELECT id, current_id, 'Draft of ' || key || '.', '', 'strict', '', '', 0, now()
FROM procedures_procedure WHERE key LIKE 'large-%%0'
"""
STEPS_OF_REVISIONS = """
INSERT INTO procedures_step (revision_id, key, position, title, instructions, skippable, slots, checklist)
SELECT revision.id, 'step-' || n, n, 'Step ' || n, 'Do it.', true, '[]', '[]'
FROM procedures_revision revision JOIN procedures_procedure procedure ON procedure.id = procedure_id
CROSS JOIN generate_series(1, %(steps)s) n WHERE procedure.key LIKE 'large-%%'
"""
CURRENT = """
UPDATE procedures_procedure procedure SET current_id = revision.id
FROM procedures_revision revision
WHERE revision.procedure_id = procedure.id AND revision.number = 2 AND procedure.key LIKE 'large-%%'
"""
GRAMS = "SELECT procedures_note_grams(id) FROM procedures_procedure WHERE key LIKE 'large-%%'"
# Half of the runs are the first procedure's. What is rare is old: that is the worst case of a list from the newest on.
RUNS = """
INSERT INTO runs_run (
    id, revision_id, title, external_ref, status, last_seq, started_by_id, started_by_name, started_at, ended_at,
    request_sha256
)
SELECT
    (lpad(to_hex(1577836800000 + n * 60000::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
    revision.id, 'Run ' || n || CASE WHEN n <= 50 THEN ' rare' ELSE ' common' END, 'REF-' || n / 10, state.status,
    %(events)s, person.id, person.first_name || ' ' || person.last_name, started.at,
    CASE WHEN state.status IN ('completed', 'aborted') THEN started.at + interval '1 hour' END, ''
FROM generate_series(1, %(runs)s) n
CROSS JOIN LATERAL (SELECT '2020-01-01T00:00:00Z'::timestamptz + n * interval '1 minute' AS at) started
CROSS JOIN LATERAL (
    SELECT CASE WHEN n <= 20 THEN 'paused' WHEN n <= 40 THEN 'in_progress' WHEN n %% 20 = 0 THEN 'aborted'
        ELSE 'completed' END AS status
) state
JOIN (SELECT *, row_number() OVER (ORDER BY id) AS rank FROM auth_user WHERE username LIKE 'person-%%') person
    ON person.rank = CASE WHEN n <= 30 THEN 1 ELSE 2 + n %% (%(people)s - 1) END
JOIN (
    SELECT revision.id, row_number() OVER (ORDER BY revision.id) AS rank
    FROM procedures_revision revision JOIN procedures_procedure procedure ON procedure.current_id = revision.id
    WHERE procedure.key LIKE 'large-%%'
) revision ON revision.rank = CASE WHEN n %% 2 = 0 THEN 1 ELSE 1 + n %% %(procedures)s END
"""
WORDS = """
INSERT INTO runs_runwords (run_id, words)
SELECT id, runs_words(concat_ws(' ', title, external_ref, started_by_name)) FROM runs_run ON CONFLICT DO NOTHING
"""
EVENTS = """
INSERT INTO runs_runevent (
    run_id, seq, kind, step_id, values, checklist, deviations, amends, actor_id, actor_name, recorded_at,
    request_sha256, hash
)
SELECT
    run.id, seq, CASE WHEN seq = 1 THEN 'start' WHEN seq <= %(steps)s + 1 THEN 'commit' ELSE 'amend' END,
    step.id, '{}', '{}', '[]', CASE WHEN seq > %(steps)s + 1 THEN seq - %(steps)s END,
    run.started_by_id, run.started_by_name, run.started_at + seq * interval '1 second', '', repeat('0', 64)
FROM runs_run run JOIN procedures_revision revision ON revision.id = run.revision_id
CROSS JOIN generate_series(1, %(events)s) seq
LEFT JOIN procedures_step step
    ON step.revision_id = revision.id AND seq > 1 AND step.position = (seq - 2) %% %(steps)s + 1
WHERE run.request_sha256 = '' AND run.title LIKE 'Run %%'
"""
# All of it is one person's: that is the worst case of what somebody did last.
HISTORY = """
INSERT INTO django_admin_log (
    action_time, user_id, content_type_id, object_id, object_repr, action_flag, change_message
)
SELECT revision.created_at - revision.id * interval '1 second', person.id, content_type.id,
    CASE model WHEN 'procedure' THEN revision.procedure_id ELSE revision.id END, revision.title, 2, 'Published.'
FROM procedures_revision revision CROSS JOIN django_content_type content_type CROSS JOIN auth_user person
WHERE revision.number IS NOT NULL AND app_label = 'procedures' AND model IN ('procedure', 'revision')
    AND person.username = 'person-2'
"""
VERSIONS = """
INSERT INTO resource_version (resource, version)
SELECT 'procedures:run:' || id, 1600000000000 FROM runs_run
UNION ALL SELECT 'procedures:procedure:' || key, 1600000000000 FROM procedures_procedure
ON CONFLICT DO NOTHING
"""


TRIGGERS = """
SELECT format('ALTER TABLE %%s {} TRIGGER %%I', tgrelid::regclass, tgname), tgenabled FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = ANY(%s::regclass[])
"""
ENABLED = {"A": "ENABLE ALWAYS", "O": "ENABLE", "R": "ENABLE REPLICA"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is.

    Attributes:
        events: How many each run has: its start, a commit of each step, amendments of those.
    """

    procedures: int
    steps: int
    runs: int
    events: int
    people: int = 50


FULL = Size(procedures=10_000, steps=10, runs=100_000, events=20)
"""Two million events."""


def fill(size: Size) -> None:
    """Add that much to the database, in the caller's transaction if there is one, and let PostgreSQL look at it."""
    with connection.cursor() as cursor, _sleeping_triggers(cursor):
        for statement in (
            PEOPLE,
            PROCEDURES,
            REVISIONS,
            STEPS_OF_REVISIONS,
            CURRENT,
            DRAFTS,
            GRAMS,
            RUNS,
            WORDS,
            EVENTS,
            HISTORY,
            VERSIONS,
        ):
            cursor.execute(statement, asdict(size))
    others = ("procedures_proceduregrams", "runs_runwords", "resource_version", "auth_user", "django_admin_log")
    with connection.cursor() as cursor:
        for table in (*TABLES, *others):
            cursor.execute(f"ANALYZE {table}")


@contextmanager
def _sleeping_triggers(cursor: Any) -> Iterator[None]:
    """Let the triggers sleep in the block: they look at each row, and let nobody add to what is published."""
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone()[0]:  # then foreign keys can sleep too, which takes a tenth of the time
        cursor.execute("SET session_replication_role = replica")
    cursor.execute(TRIGGERS, [list(TABLES)])
    triggers = cursor.fetchall()
    for command, _enabled in triggers:
        cursor.execute(command.format("DISABLE"))
    yield
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered before its foreign keys have been checked
    for command, enabled in triggers:
        cursor.execute(command.format(ENABLED[enabled]))
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    cursor.execute("RESET session_replication_role")
