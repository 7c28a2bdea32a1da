"""Note the grams of the procedures that are there already. The trigger of 0007_grams.py notes others meanwhile.

Locks: the heads of 100 procedures at a time, for some tenths of a second; who writes one of them waits for that.
"""

from typing import Any

from django.db import migrations

# Locked first, and looked at afterwards: nothing older is noted than what somebody writes meanwhile.
NOTE = """
WITH locked AS MATERIALIZED (
    SELECT id FROM procedures_procedure WHERE id > %s ORDER BY id LIMIT 100 FOR NO KEY UPDATE
)
SELECT max(id), count(procedures_note_grams(id)) FROM locked
"""


def note_grams(_apps: Any, schema_editor: Any) -> None:
    """Note them, each hundred in a transaction of its own."""
    newest: int | None = 0
    with schema_editor.connection.cursor() as cursor:
        while newest is not None:
            cursor.execute(NOTE, [newest])
            newest, _ = cursor.fetchone()


class Migration(migrations.Migration):
    """Fill the table; whoever interrupts it may begin again."""

    atomic = False

    dependencies = [("procedures", "0007_grams")]
    operations = [migrations.RunPython(note_grams, migrations.RunPython.noop)]
