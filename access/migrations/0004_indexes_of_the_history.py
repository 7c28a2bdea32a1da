"""Indexes of the history, whose table is the admin's own: by what an entry is about, and by who did it.

Made while the service takes writes, so not in a transaction. Whoever interrupts it may begin again: an index that is
there already, whole or not, is made anew.

Locks: none that anybody waits for.
"""

from django.db import migrations

DROP = "DROP INDEX CONCURRENTLY IF EXISTS {}"
BY_SUBJECT = """
CREATE INDEX CONCURRENTLY history_by_subject ON django_admin_log (object_id, content_type_id, action_time, id)
"""
BY_USER = "CREATE INDEX CONCURRENTLY history_by_user ON django_admin_log (user_id, action_time, id)"


class Migration(migrations.Migration):
    """Make the indexes."""

    atomic = False

    dependencies = [
        ("access", "0003_postgresqls_clock"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.RunSQL(DROP.format("history_by_subject"), migrations.RunSQL.noop),
        migrations.RunSQL(BY_SUBJECT, DROP.format("history_by_subject")),
        migrations.RunSQL(DROP.format("history_by_user"), migrations.RunSQL.noop),
        migrations.RunSQL(BY_USER, DROP.format("history_by_user")),
    ]
