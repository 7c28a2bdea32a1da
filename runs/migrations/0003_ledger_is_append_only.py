"""Let nobody change or remove an event or a run, nor say that a run began otherwise: not the admin, not psql.

Of a run's head, only what its ledger amounts to may change. ENABLE ALWAYS, as for procedures
(procedures/migrations/0003_published_is_immutable.py).
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION runs_protect_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event % of run % is recorded and never changes', OLD.seq, OLD.run_id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION runs_protect_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'run % is recorded and never removed', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.revision_id, NEW.title, NEW.external_ref, NEW.started_by_id, NEW.started_by_name, NEW.started_at,
        NEW.idempotency_key, NEW.request_sha256)
       IS DISTINCT FROM
       (OLD.id, OLD.revision_id, OLD.title, OLD.external_ref, OLD.started_by_id, OLD.started_by_name, OLD.started_at,
        OLD.idempotency_key, OLD.request_sha256) THEN
        RAISE EXCEPTION 'the origin of run % never changes', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE ON runs_runevent
    FOR EACH ROW EXECUTE FUNCTION runs_protect_event();
CREATE TRIGGER run_keeps_its_origin BEFORE UPDATE OR DELETE ON runs_run
    FOR EACH ROW EXECUTE FUNCTION runs_protect_origin();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_runevent EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_run EXECUTE FUNCTION refuse_truncation();

ALTER TABLE runs_runevent
    ENABLE ALWAYS TRIGGER event_is_append_only,
    ENABLE ALWAYS TRIGGER is_never_emptied;
ALTER TABLE runs_run
    ENABLE ALWAYS TRIGGER run_keeps_its_origin,
    ENABLE ALWAYS TRIGGER is_never_emptied;
"""

BACKWARD = """
DROP TRIGGER is_never_emptied ON runs_run;
DROP TRIGGER is_never_emptied ON runs_runevent;
DROP TRIGGER run_keeps_its_origin ON runs_run;
DROP TRIGGER event_is_append_only ON runs_runevent;
DROP FUNCTION runs_protect_origin();
DROP FUNCTION runs_protect_event();
"""


class Migration(migrations.Migration):
    """Protect the ledger."""

    dependencies = [("runs", "0002_version_triggers"), ("procedures", "0003_published_is_immutable")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
