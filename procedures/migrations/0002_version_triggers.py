"""Raise the versions of the list and of a procedure when a head is written, by whomever.

Deferred constraint triggers see what signals miss: bulk updates, raw SQL, COPY, cascades, psql. ENABLE
ALWAYS, since replication roles (a restore, logical apply) skip ordinary ones. Revisions and steps have
none: a published one cannot change, and a draft is in no cached body.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION procedures_raise_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_resource_version('procedures:list');
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:procedure:' || OLD.key);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:procedure:' || NEW.key);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION procedures_raise_all_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_resource_version('procedures:list');
    PERFORM raise_resource_versions_like('procedures:procedure:%');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER procedure_raises_versions
    AFTER INSERT OR UPDATE OR DELETE ON procedures_procedure DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION procedures_raise_versions();
CREATE TRIGGER procedure_truncation_raises_versions
    AFTER TRUNCATE ON procedures_procedure FOR EACH STATEMENT EXECUTE FUNCTION procedures_raise_all_versions();
ALTER TABLE procedures_procedure
    ENABLE ALWAYS TRIGGER procedure_raises_versions,
    ENABLE ALWAYS TRIGGER procedure_truncation_raises_versions;

SELECT raise_resource_version('procedures:list');
SELECT raise_resource_version('procedures:procedure:' || key) FROM procedures_procedure;
"""

BACKWARD = """
DROP TRIGGER procedure_truncation_raises_versions ON procedures_procedure;
DROP TRIGGER procedure_raises_versions ON procedures_procedure;
DROP FUNCTION procedures_raise_all_versions();
DROP FUNCTION procedures_raise_versions();
"""


class Migration(migrations.Migration):
    """Watch the heads of procedures."""

    dependencies = [("procedures", "0001_initial"), ("versioned_cache", "0001_resource_version")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
