"""Let nobody change or remove a receipt: what was answered once is answered so again."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION procedures_protect_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'receipt % is written and never changes', OLD.id USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER receipt_is_append_only BEFORE UPDATE OR DELETE ON procedures_receipt
    FOR EACH ROW EXECUTE FUNCTION procedures_protect_receipt();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON procedures_receipt EXECUTE FUNCTION refuse_truncation();
ALTER TABLE procedures_receipt
    ENABLE ALWAYS TRIGGER receipt_is_append_only,
    ENABLE ALWAYS TRIGGER is_never_emptied;
"""

BACKWARD = """
DROP TRIGGER is_never_emptied ON procedures_receipt;
DROP TRIGGER receipt_is_append_only ON procedures_receipt;
DROP FUNCTION procedures_protect_receipt();
"""


class Migration(migrations.Migration):
    """Protect receipts."""

    dependencies = [("procedures", "0003_published_is_immutable")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
