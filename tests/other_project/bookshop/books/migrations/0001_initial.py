from django.db import migrations, models

from versioned_cache.triggers import WatchTable


class Migration(migrations.Migration):
    initial = True
    dependencies = [("versioned_cache", "0001_resource_version")]
    operations = [
        migrations.CreateModel(
            "Book",
            fields=[
                ("slug", models.SlugField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
            ],
        ),
        WatchTable("books_book", ["bookshop:list", "bookshop:book:{slug}"]),
    ]
