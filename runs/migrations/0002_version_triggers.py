"""Raise the version of a run when its head or its ledger is written, by whomever.

As for procedures (procedures/migrations/0002_version_triggers.py).
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION runs_raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:run:' || OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:run:' || NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION runs_raise_version_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM raise_resource_version('procedures:run:' || OLD.run_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM raise_resource_version('procedures:run:' || NEW.run_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION runs_raise_all_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_resource_versions_like('procedures:run:%');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER run_raises_version
    AFTER INSERT OR UPDATE OR DELETE ON runs_run DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION runs_raise_version();
CREATE TRIGGER run_truncation_raises_versions
    AFTER TRUNCATE ON runs_run FOR EACH STATEMENT EXECUTE FUNCTION runs_raise_all_versions();
ALTER TABLE runs_run
    ENABLE ALWAYS TRIGGER run_raises_version,
    ENABLE ALWAYS TRIGGER run_truncation_raises_versions;

CREATE CONSTRAINT TRIGGER event_raises_version
    AFTER INSERT OR UPDATE OR DELETE ON runs_runevent DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION runs_raise_version_of_event();
CREATE TRIGGER event_truncation_raises_versions
    AFTER TRUNCATE ON runs_runevent FOR EACH STATEMENT EXECUTE FUNCTION runs_raise_all_versions();
ALTER TABLE runs_runevent
    ENABLE ALWAYS TRIGGER event_raises_version,
    ENABLE ALWAYS TRIGGER event_truncation_raises_versions;

SELECT raise_resource_version('procedures:run:' || id) FROM runs_run;
"""

BACKWARD = """
DROP TRIGGER event_truncation_raises_versions ON runs_runevent;
DROP TRIGGER event_raises_version ON runs_runevent;
DROP TRIGGER run_truncation_raises_versions ON runs_run;
DROP TRIGGER run_raises_version ON runs_run;
DROP FUNCTION runs_raise_all_versions();
DROP FUNCTION runs_raise_version_of_event();
DROP FUNCTION runs_raise_version();
"""


class Migration(migrations.Migration):
    """Watch runs and their events."""

    dependencies = [("runs", "0001_initial"), ("versioned_cache", "0001_resource_version")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
