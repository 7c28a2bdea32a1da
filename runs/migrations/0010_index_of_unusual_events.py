"""The index that the review reads: of what went otherwise than written.

Made while the service takes writes, so not in a transaction. Whoever interrupts it may begin again: an index that is
there already, whole or not, is made anew.

Locks: none that anybody waits for.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Make the index."""

    atomic = False

    dependencies = [("runs", "0009_fixed_search_path_of_receipts")]
    operations = [
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS unusual_event_by_time", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "runevent",
            models.Index(
                fields=["recorded_at"],
                name="unusual_event_by_time",
                condition=Q(kind__in=["amend", "skip", "abort"]) | ~Q(deviations=[]),
            ),
        ),
    ]
