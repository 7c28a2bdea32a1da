"""An index of the tags, for the filters by tag.

Made while the service takes writes, so not in a transaction. Whoever interrupts it removes the index that is INVALID
then, before the next try.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """Make the index."""

    atomic = False

    dependencies = [("procedures", "0008_grams_of_old_procedures")]
    operations = [
        AddIndexConcurrently("procedure", GinIndex(fields=["tags"], name="procedure_by_tag", fastupdate=False)),
    ]
