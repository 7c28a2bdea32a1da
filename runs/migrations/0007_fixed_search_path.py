"""Let the triggers find our tables whatever the search_path of who writes; as procedures/0005_fixed_search_path."""

from django.db import migrations

from versioned_cache.search_path import FixSearchPath

FUNCTIONS = [
    "runs_note_words()",
    "runs_raise_version()",
    "runs_raise_version_of_event()",
    "runs_raise_all_versions()",
    "runs_protect_event()",
    "runs_protect_origin()",
]


class Migration(migrations.Migration):
    """Fix the functions' paths."""

    dependencies = [
        ("runs", "0006_words_of_old_runs"),
        ("versioned_cache", "0002_versions_know_their_server"),
    ]
    operations = [FixSearchPath(FUNCTIONS)]
