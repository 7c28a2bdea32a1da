"""PostgreSQL says when a token was issued; a name is checked for a visible character, which changes no table."""

from django.db import migrations, models
from django.db.models.functions import Now

import access.names


class Migration(migrations.Migration):
    dependencies = [("access", "0002_apitoken_last_used_at")]

    operations = [
        migrations.AlterField("apitoken", "created_at", models.DateTimeField(db_default=Now(), editable=False)),
        migrations.AlterField(
            "apitoken",
            "name",
            models.CharField(
                help_text="Where the token is used, such as “theatre 4 tablet”.",
                max_length=100,
                validators=[access.names.check_visible],
            ),
        ),
    ]
