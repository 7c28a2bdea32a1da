"""Let the trigger of receipts find its tables whatever the search_path of who writes; as 0007_fixed_search_path."""

from django.db import migrations

from versioned_cache.search_path import FixSearchPath


class Migration(migrations.Migration):
    """Fix the function's path."""

    dependencies = [("runs", "0008_receipts")]
    operations = [FixSearchPath(["runs_protect_receipt()"])]
