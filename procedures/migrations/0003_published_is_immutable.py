"""Let nobody change what has been published: not the admin, not psql.

A revision is published once it has a number. Steps may be inserted up to the number of steps that the
revision says it has, which the transaction that publishes it does.
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

CREATE TRIGGER revision_is_immutable_once_published BEFORE UPDATE OR DELETE ON procedures_revision
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_revision();
CREATE TRIGGER step_is_immutable_once_published BEFORE INSERT OR UPDATE OR DELETE ON procedures_step
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_step();
"""

BACKWARD = """
DROP TRIGGER step_is_immutable_once_published ON procedures_step;
DROP TRIGGER revision_is_immutable_once_published ON procedures_revision;
DROP FUNCTION procedures_protect_step();
DROP FUNCTION procedures_refuse_step(bigint);
DROP FUNCTION procedures_protect_revision();
"""


class Migration(migrations.Migration):
    """Protect published revisions and their steps."""

    dependencies = [("procedures", "0002_version_triggers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
