from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.AddField(
            "apitoken",
            "last_used_at",
            models.DateTimeField(blank=True, editable=False, help_text="To within ten minutes.", null=True),
        ),
    ]
