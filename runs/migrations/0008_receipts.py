"""Keep what requests with an Idempotency-Key were answered; let nobody change or remove it."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION runs_protect_receipt() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'receipt % is written and never changes', OLD.event_id USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER receipt_is_append_only BEFORE UPDATE OR DELETE ON runs_receipt
    FOR EACH ROW EXECUTE FUNCTION runs_protect_receipt();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON runs_receipt EXECUTE FUNCTION refuse_truncation();
ALTER TABLE runs_receipt
    ENABLE ALWAYS TRIGGER receipt_is_append_only,
    ENABLE ALWAYS TRIGGER is_never_emptied;
"""

BACKWARD = """
DROP TRIGGER is_never_emptied ON runs_receipt;
DROP TRIGGER receipt_is_append_only ON runs_receipt;
DROP FUNCTION runs_protect_receipt();
"""


class Migration(migrations.Migration):
    """Make the table, and protect it."""

    dependencies = [("runs", "0007_fixed_search_path")]
    operations = [
        migrations.CreateModel(
            name="Receipt",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="receipt",
                        serialize=False,
                        to="runs.runevent",
                    ),
                ),
                ("body", models.BinaryField()),
                ("entity_tag", models.CharField(max_length=63)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
