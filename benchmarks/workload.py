"""Make a database's schema, people and procedures, and print a token for each role as JSON; a process of its own."""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

from tests.people import migrate_and_make_people
from tests.scale import Size, fill

WORDS = (
    "check", "verify", "record", "open", "close", "isolate", "measure", "note", "confirm", "label", "remove", "attach",
    "the", "a", "each", "every", "its", "valve", "pump", "sample", "buffer", "switch", "line", "gauge", "panel",
    "breaker", "seal", "pressure", "temperature", "level", "volume", "reading", "primary", "standby", "before", "after",
    "until", "while", "slowly", "twice", "again", "with", "without", "against", "on", "off", "then", "operator",
)  # fmt: skip
SEED = 2026
PUBLISHED = 100  # what is more is copied from these: to publish ten thousand would take an hour

# One statement a table.
COPY = (
    """
    CREATE TEMPORARY TABLE copy ON COMMIT DROP AS
    SELECT source.id AS source_id, source.current_id AS source_current_id,
        'procedure-' || lpad(number::text, greatest(4, length(number::text)), '0') AS key
    FROM generate_series(%(published)s + 1, %(all)s) AS number
    JOIN procedures_procedure source
        ON source.key = 'procedure-' || lpad(((number - 1) %% %(published)s + 1)::text, 4, '0')
    """,
    """
    INSERT INTO procedures_procedure (key, status, tags, created_at, updated_at)
    SELECT copy.key, status, tags, created_at, updated_at FROM copy JOIN procedures_procedure ON id = source_id
    """,
    """
    INSERT INTO procedures_revision (procedure_id, number, title, description, ordering, change_note, content_sha256,
        step_count, created_at, published_at)
    SELECT made.id, number, title, description, ordering, change_note, content_sha256, step_count, source.created_at,
        published_at
    FROM copy JOIN procedures_procedure made USING (key)
    JOIN procedures_revision source ON source.id = source_current_id
    """,
    """
    INSERT INTO procedures_step (revision_id, position, key, title, instructions, caution, role, skippable,
        expected_duration_s, slots, checklist)
    SELECT made.id, position, source.key, source.title, instructions, caution, role, skippable,
        expected_duration_s, slots, checklist
    FROM copy JOIN procedures_procedure procedure ON procedure.key = copy.key
    JOIN procedures_revision made ON made.procedure_id = procedure.id
    JOIN procedures_step source ON source.revision_id = source_current_id
    """,
    """
    UPDATE procedures_procedure procedure SET current_id = revision.id
    FROM procedures_revision revision WHERE revision.procedure_id = procedure.id AND current_id IS NULL
    """,
)


def main(argv: list[str]) -> None:
    """Migrate, fill, and print."""
    options = _options(argv)
    tokens = migrate_and_make_people()
    if options.runs:
        _generate(Size(options.procedures, options.steps, options.runs, options.events))
    else:
        _publish(options)
    json.dump(tokens, sys.stdout)


def _publish(options: argparse.Namespace) -> None:
    """Publish that many procedures, as people do, or copies of those."""
    from tests.factories import publish  # noqa: PLC0415  # its models need settings

    for definition in definitions(min(options.procedures, PUBLISHED), options.steps):
        publish(definition)
    if options.procedures > PUBLISHED:
        _copy(options.procedures)


def _generate(size: Size) -> None:
    """Fill the database with procedures, runs and events."""
    from django.db import transaction  # noqa: PLC0415

    with transaction.atomic():
        fill(size)


def _copy(procedures: int) -> None:
    """Add copies of what is published, up to so many procedures in all."""
    from django.db import connection, transaction  # noqa: PLC0415

    with transaction.atomic(), connection.cursor() as cursor:
        for statement in COPY:
            cursor.execute(statement, {"published": PUBLISHED, "all": procedures})


def definitions(procedures: int, steps: int) -> Iterator[dict[str, Any]]:
    """Yield the bodies of that many procedures, the same ones each time."""
    dice = random.Random(SEED)  # noqa: S311  # no secret
    for number in range(1, procedures + 1):
        yield {
            "key": f"procedure-{number:04}",
            "title": _text(dice, 5),
            "description": _text(dice, 20),
            "tags": dice.sample(WORDS, 2),
            "steps": [_step(dice, position) for position in range(1, steps + 1)],
        }


def _step(dice: random.Random, position: int) -> dict[str, Any]:
    # Limits are whole numbers: DRF's own renderer, which the peers use, would write a Decimal as a text.
    slot = {"key": "reading", "label": _text(dice, 2), "type": "integer", "required": False, "min": 0, "max": 100}
    return {
        "key": f"step-{position:03}",
        "title": _text(dice, 3),
        "instructions": _text(dice, 6),
        "slots": [slot],
        "checklist": [{"key": "done", "label": _text(dice, 2), "required": False}] if position % 3 == 0 else [],
    }


def _text(dice: random.Random, words: int) -> str:
    return " ".join(dice.choices(WORDS, k=words)).capitalize()


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workload", description=__doc__)
    parser.add_argument("--procedures", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--runs", type=int, default=0, help="then all is generated, and none is published")
    parser.add_argument("--events", type=int, default=0, help="of each run")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
