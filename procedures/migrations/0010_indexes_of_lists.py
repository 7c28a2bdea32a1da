"""The indexes that lists and searches of the admin and the console are read from.

Made while the service takes writes, so not in a transaction. Whoever interrupts it may begin again: an index that is
there already, whole or not, is made anew.

Locks: none that anybody waits for.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models
from django.db.models.functions import Upper

GRAMS = models.Func(
    models.Func(Upper("title"), function="procedures_grams"),
    function="array_to_tsvector",
    output_field=SearchVectorField(),
)


class Migration(migrations.Migration):
    """Make the indexes."""

    atomic = False

    dependencies = [("procedures", "0009_index_of_tags")]
    operations = [
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS procedure_by_status", migrations.RunSQL.noop),
        AddIndexConcurrently("procedure", models.Index(fields=["status", "key"], name="procedure_by_status")),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS procedure_by_update", migrations.RunSQL.noop),
        AddIndexConcurrently("procedure", models.Index(fields=["updated_at"], name="procedure_by_update")),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS revision_by_gram", migrations.RunSQL.noop),
        AddIndexConcurrently("revision", GinIndex(GRAMS, name="revision_by_gram", fastupdate=False)),
    ]
