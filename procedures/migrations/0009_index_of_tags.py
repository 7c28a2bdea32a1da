"""An index of the tags, for the filters by tag.

Made while the service takes writes, so not in a transaction. Whoever interrupts it may begin again: an index that is
there already, whole or not, is made anew.

Locks: none that anybody waits for.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """Make the index."""

    atomic = False

    dependencies = [("procedures", "0008_grams_of_old_procedures")]
    operations = [
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS procedure_by_tag", migrations.RunSQL.noop),
        AddIndexConcurrently("procedure", GinIndex(fields=["tags"], name="procedure_by_tag", fastupdate=False)),
    ]
