"""The words that runs are found by (runs/search.py), which a trigger takes from each new run.

What they are taken from never changes (0003_ledger_is_append_only.py), so nothing is to be done after that. The trigger
sleeps in a replication role, since there the words come along.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

FORWARD = r"""
CREATE FUNCTION runs_words(text text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(array_remove(regexp_split_to_array(
        lower(text), '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]+'), ''))
$$;

CREATE FUNCTION runs_note_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO runs_runwords (run_id, words)
    VALUES (NEW.id, runs_words(concat_ws(' ', NEW.title, NEW.external_ref, NEW.started_by_name)));
    RETURN NULL;
END $$;

CREATE TRIGGER run_has_words AFTER INSERT ON runs_run FOR EACH ROW EXECUTE FUNCTION runs_note_words();
"""

BACKWARD = """
DROP TRIGGER run_has_words ON runs_run;
DROP FUNCTION runs_note_words();
DROP FUNCTION runs_words(text);
"""


class Migration(migrations.Migration):
    """Make the table and its trigger."""

    dependencies = [
        ("runs", "0004_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="RunWords",
            fields=[
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="runs.run",
                    ),
                ),
                ("words", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["words"], name="run_words_by_word"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
