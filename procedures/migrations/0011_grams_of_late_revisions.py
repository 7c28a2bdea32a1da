"""Note the grams of a procedure whose current revision comes after the head that names it.

A copy of rows does that, such as `loaddata` or SQL by hand: foreign keys point both ways and are checked at COMMIT.

Locks: procedures_revision, for the moment that making a trigger takes; writes of revisions wait for it.
"""

from django.db import migrations

from versioned_cache.search_path import FixSearchPath

FORWARD = """
CREATE FUNCTION procedures_keep_grams_of_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM procedures_note_grams(id) FROM procedures_procedure WHERE current_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER current_revision_has_grams AFTER INSERT OR UPDATE OF title, description ON procedures_revision
    FOR EACH ROW EXECUTE FUNCTION procedures_keep_grams_of_revision();
"""

BACKWARD = """
DROP TRIGGER current_revision_has_grams ON procedures_revision;
DROP FUNCTION procedures_keep_grams_of_revision();
"""


class Migration(migrations.Migration):
    """Make the trigger."""

    dependencies = [("procedures", "0010_indexes_of_lists")]
    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        FixSearchPath(["procedures_keep_grams_of_revision()"]),
    ]
