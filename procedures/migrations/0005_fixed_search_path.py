"""Let the triggers find our tables whatever the search_path of who writes: a subscriber, pg_restore, psql."""

from django.db import migrations

from versioned_cache.search_path import FixSearchPath

FUNCTIONS = [
    "procedures_raise_versions()",
    "procedures_raise_all_versions()",
    "procedures_protect_revision()",
    "procedures_refuse_step(bigint)",
    "procedures_protect_step()",
    "procedures_protect_head()",
    "procedures_check_current()",
    "procedures_protect_receipt()",
    "refuse_truncation()",
]


class Migration(migrations.Migration):
    """Fix the functions' paths."""

    dependencies = [
        ("procedures", "0004_receipts_are_append_only"),
        ("versioned_cache", "0002_versions_know_their_server"),
    ]
    operations = [FixSearchPath(FUNCTIONS)]
