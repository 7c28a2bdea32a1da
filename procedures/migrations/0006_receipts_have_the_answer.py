"""Keep what requests with an Idempotency-Key were answered, to the byte."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the answer to receipts; old ones have none."""

    dependencies = [("procedures", "0005_fixed_search_path")]
    operations = [
        migrations.AddField("receipt", "body", models.BinaryField(null=True)),
        migrations.AddField("receipt", "entity_tag", models.CharField(max_length=63, null=True)),
    ]
