"""Let nobody change what has been published: not the admin, not psql.

A revision is published once it has a number. Steps may be inserted up to the number of steps that the
revision says it has, which the transaction that publishes it does. The head of a published procedure keeps
its key, and has a published revision of its own as the current one.

ENABLE ALWAYS, since ordinary triggers and foreign keys sleep in a replication role. Whoever owns the tables
can still switch triggers off, on purpose: `manage.py verify_ledger` is for what was done then.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION procedures_protect_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.number IS NOT NULL THEN
        RAISE EXCEPTION 'revision % is published and never changes', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION procedures_refuse_step(revision bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'revision % is published, its steps never change', revision USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION procedures_protect_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision WHERE id = OLD.revision_id AND number IS NOT NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision WHERE id = NEW.revision_id AND number IS NOT NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM procedures_refuse_step(id) FROM procedures_revision
        WHERE id = NEW.revision_id AND number IS NOT NULL
        AND step_count <= (SELECT count(*) FROM procedures_step WHERE revision_id = NEW.revision_id);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION procedures_protect_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.current_id IS NULL THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'procedure % is published and never removed', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.current_id IS NULL OR (NEW.id, NEW.key) IS DISTINCT FROM (OLD.id, OLD.key) THEN
        RAISE EXCEPTION 'procedure % is published and keeps its key', OLD.key USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION procedures_check_current() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- That there is such a revision is the foreign key's to say.
    IF EXISTS (SELECT FROM procedures_revision
               WHERE id = NEW.current_id AND (procedure_id <> NEW.id OR number IS NULL)) THEN
        RAISE EXCEPTION 'revision % is a draft or of another procedure than %', NEW.current_id, NEW.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER revision_is_immutable_once_published BEFORE UPDATE OR DELETE ON procedures_revision
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_revision();
CREATE TRIGGER step_is_immutable_once_published BEFORE INSERT OR UPDATE OR DELETE ON procedures_step
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_step();
CREATE TRIGGER procedure_stays_once_published BEFORE UPDATE OR DELETE ON procedures_procedure
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_head();
CREATE TRIGGER current_revision_is_its_own AFTER INSERT OR UPDATE OF current_id ON procedures_procedure
    FOR EACH ROW EXECUTE FUNCTION procedures_check_current();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_procedure EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_revision EXECUTE FUNCTION refuse_truncation();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_step EXECUTE FUNCTION refuse_truncation();

ALTER TABLE procedures_revision
    ENABLE ALWAYS TRIGGER revision_is_immutable_once_published,
    ENABLE ALWAYS TRIGGER is_never_emptied;
ALTER TABLE procedures_step
    ENABLE ALWAYS TRIGGER step_is_immutable_once_published,
    ENABLE ALWAYS TRIGGER is_never_emptied;
ALTER TABLE procedures_procedure
    ENABLE ALWAYS TRIGGER procedure_stays_once_published,
    ENABLE ALWAYS TRIGGER current_revision_is_its_own,
    ENABLE ALWAYS TRIGGER is_never_emptied;
"""

BACKWARD = """
DROP TRIGGER is_never_emptied ON procedures_step;
DROP TRIGGER is_never_emptied ON procedures_revision;
DROP TRIGGER is_never_emptied ON procedures_procedure;
DROP TRIGGER current_revision_is_its_own ON procedures_procedure;
DROP TRIGGER procedure_stays_once_published ON procedures_procedure;
DROP TRIGGER step_is_immutable_once_published ON procedures_step;
DROP TRIGGER revision_is_immutable_once_published ON procedures_revision;
DROP FUNCTION refuse_truncation();
DROP FUNCTION procedures_check_current();
DROP FUNCTION procedures_protect_head();
DROP FUNCTION procedures_protect_step();
DROP FUNCTION procedures_refuse_step(bigint);
DROP FUNCTION procedures_protect_revision();
"""


class Migration(migrations.Migration):
    """Protect published revisions, their steps, and the heads that point at them."""

    dependencies = [("procedures", "0002_version_triggers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
