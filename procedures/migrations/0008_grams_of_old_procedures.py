"""Note the grams of the procedures that are there already. The trigger of 0007_grams.py notes others meanwhile.

Locks: one head at a time, for some milliseconds, each in a transaction of its own: so nobody who writes many procedures
in one, such as an import, waits for this while it waits for them.
"""

from typing import Any

from django.db import migrations

LACKING = """
SELECT id FROM procedures_procedure WHERE id NOT IN (SELECT procedure_id FROM procedures_proceduregrams) ORDER BY id
"""
# Locked first, and looked at afterwards: nothing older is noted than what somebody writes meanwhile.
NOTE = """
SELECT procedures_note_grams(id) FROM (SELECT id FROM procedures_procedure WHERE id = %s FOR NO KEY UPDATE) locked
"""


def note_grams(_apps: Any, schema_editor: Any) -> None:
    """Note those that are not noted yet."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(LACKING)
        for (procedure,) in cursor.fetchall():
            cursor.execute(NOTE, [procedure])


class Migration(migrations.Migration):
    """Fill the table; whoever interrupts it may go on later."""

    atomic = False

    dependencies = [("procedures", "0007_grams")]
    operations = [migrations.RunPython(note_grams, migrations.RunPython.noop)]
