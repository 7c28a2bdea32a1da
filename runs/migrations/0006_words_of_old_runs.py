"""Take the words of the runs that are there already. The trigger of 0005_words.py takes those of new ones meanwhile."""

from django.db import migrations

FORWARD = """
INSERT INTO runs_runwords (run_id, words)
SELECT id, runs_words(concat_ws(' ', title, external_ref, started_by_name)) FROM runs_run
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    """Fill the table."""

    dependencies = [("runs", "0005_words")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
