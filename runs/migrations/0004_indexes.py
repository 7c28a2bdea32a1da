"""Indexes in the order of the list of runs.

Made while the service takes writes, so not in one transaction. Whoever interrupts it removes the index that is
INVALID then, before the next try. The old indexes go when the new ones are there.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the indexes that pages of runs are read from, and remove those that nothing needs then."""

    atomic = False

    dependencies = [
        ("procedures", "0004_receipts_are_append_only"),
        ("runs", "0003_ledger_is_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(fields=["started_at", "id"], name="run_by_start"),
        ),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(fields=["status", "started_at", "id"], name="run_by_status_and_start"),
        ),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(fields=["external_ref", "started_at", "id"], name="run_by_reference_and_start"),
        ),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(fields=["revision", "status", "started_at", "id"], name="run_by_revision_and_start"),
        ),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(fields=["started_by", "status", "started_at", "id"], name="run_by_starter_and_start"),
        ),
        migrations.AlterModelOptions(
            name="run",
            options={
                "ordering": ("-started_at", "-id"),
                "permissions": [
                    ("execute_run", "Can start runs, and commit, skip, amend, pause and resume in running ones"),
                    ("abort_run", "Can abort runs"),
                    ("amend_completed_run", "Can amend completed runs"),
                ],
            },
        ),
        RemoveIndexConcurrently(
            model_name="run",
            name="run_by_status",
        ),
        RemoveIndexConcurrently(
            model_name="run",
            name="run_by_external_ref",
        ),
        migrations.AlterField(
            model_name="run",
            name="revision",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="runs",
                to="procedures.revision",
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="started_by",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="runevent",
            name="run",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="events", to="runs.run"
            ),
        ),
    ]
