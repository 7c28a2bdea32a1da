"""The grams that procedures are found by (procedures/search.py), which a trigger takes from each head that is written.

They change with the key and with which revision is current; a published revision never does
(0003_published_is_immutable.py). The trigger sleeps in a replication role, since there the grams come along. It removes
them with a head itself: the code before this knows nothing of them.

Locks: procedures_procedure, for the moment that making a foreign key and a trigger takes; writes of heads wait for it.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

from versioned_cache.search_path import FixSearchPath

FORWARD = r"""
CREATE FUNCTION procedures_grams(capitals text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY(
        SELECT letter || coalesce(second, '') || coalesce(third, '')
        FROM unnest(letters, letters[2:], letters[3:]) gram(letter, second, third)
    ) FROM string_to_array(capitals, NULL) letters
$$;

-- Of a long text the beginning is enough: whatever is found is compared with all of it.
CREATE FUNCTION procedures_grams_query(capitals text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(
        '''' || replace(replace(gram, '\', '\\'), '''', '''''') || CASE length(gram) WHEN 3 THEN '''' ELSE ''':*' END,
        ' & '
    )::tsquery
    FROM unnest((procedures_grams(left(capitals, 200)))[:greatest(1, least(length(capitals), 200) - 2)]) gram
$$;

CREATE FUNCTION procedures_grams_of(procedure bigint) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT array_to_tsvector(procedures_grams(
        concat_ws(E'\n', upper(head.key), upper(revision.title), upper(revision.description))
    ))
    FROM procedures_procedure head LEFT JOIN procedures_revision revision ON revision.id = head.current_id
    WHERE head.id = procedure
$$;

CREATE FUNCTION procedures_note_grams(procedure bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO procedures_proceduregrams (procedure_id, grams) VALUES (procedure, procedures_grams_of(procedure))
    ON CONFLICT (procedure_id) DO UPDATE SET grams = EXCLUDED.grams
$$;

CREATE FUNCTION procedures_keep_grams() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM procedures_proceduregrams WHERE procedure_id = OLD.id;
    ELSIF TG_OP = 'INSERT' OR (NEW.key, NEW.current_id) IS DISTINCT FROM (OLD.key, OLD.current_id) THEN
        PERFORM procedures_note_grams(NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER procedure_has_grams AFTER INSERT OR UPDATE OF key, current_id OR DELETE ON procedures_procedure
    FOR EACH ROW EXECUTE FUNCTION procedures_keep_grams();
"""

BACKWARD = """
DROP TRIGGER procedure_has_grams ON procedures_procedure;
DROP FUNCTION procedures_keep_grams();
DROP FUNCTION procedures_note_grams(bigint);
DROP FUNCTION procedures_grams_of(bigint);
DROP FUNCTION procedures_grams_query(text);
DROP FUNCTION procedures_grams(text);
"""
FUNCTIONS = [
    "procedures_grams(text)",
    "procedures_grams_query(text)",
    "procedures_grams_of(bigint)",
    "procedures_note_grams(bigint)",
    "procedures_keep_grams()",
]


class Migration(migrations.Migration):
    """Make the table and its trigger."""

    dependencies = [
        ("procedures", "0006_receipts_have_the_answer"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProcedureGrams",
            fields=[
                (
                    "procedure",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="procedures.procedure",
                    ),
                ),
                ("grams", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["grams"], name="procedure_grams_by_gram"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        FixSearchPath(FUNCTIONS),
    ]
