"""Let nobody change or remove an event, nor give a run another revision: not the admin, not psql."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION runs_protect_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event % of run % is recorded and never changes', OLD.seq, OLD.run_id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION runs_protect_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.revision_id, NEW.started_by_id, NEW.started_at)
       IS DISTINCT FROM (OLD.id, OLD.revision_id, OLD.started_by_id, OLD.started_at) THEN
        RAISE EXCEPTION 'the origin of run % never changes', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE ON runs_runevent
    FOR EACH ROW EXECUTE FUNCTION runs_protect_event();
CREATE TRIGGER run_keeps_its_origin BEFORE UPDATE ON runs_run
    FOR EACH ROW EXECUTE FUNCTION runs_protect_origin();
"""

BACKWARD = """
DROP TRIGGER run_keeps_its_origin ON runs_run;
DROP TRIGGER event_is_append_only ON runs_runevent;
DROP FUNCTION runs_protect_origin();
DROP FUNCTION runs_protect_event();
"""


class Migration(migrations.Migration):
    """Protect the ledger."""

    dependencies = [("runs", "0002_version_triggers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
