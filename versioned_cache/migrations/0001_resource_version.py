"""The authority of every resource's version, and the function that raises it.

Note [Versions in PostgreSQL]
A version lives and dies with the transaction that raises it: it rolls back with it, and becomes visible with
it. The table has no model, since test teardown and `manage.py flush` truncate the tables of models.

A row is born at the clock in milliseconds and counts by one, so a row that was lost and made again starts
above every number it had. `raised_by` makes it one raise a transaction, however many rows were written: the row
remembers the last transaction that raised it. (Its xmin would not do: in a savepoint that is the savepoint's.)
Locks are taken when the deferred triggers fire, at COMMIT, so they are held for the commit alone.
"""

from django.db import migrations

FORWARD = """
CREATE TABLE resource_version (
    resource text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
    raised_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE FUNCTION raise_resource_version(name text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO resource_version AS held (resource, version)
    VALUES (name, floor(extract(epoch FROM clock_timestamp()) * 1000))
    ON CONFLICT (resource) DO UPDATE SET version = held.version + 1, raised_by = pg_current_xact_id()
    WHERE held.raised_by <> pg_current_xact_id()
$$;

CREATE FUNCTION raise_resource_versions_like(pattern text) RETURNS void LANGUAGE sql AS $$
    UPDATE resource_version SET version = version + 1, raised_by = pg_current_xact_id()
    WHERE resource LIKE pattern AND raised_by <> pg_current_xact_id()
$$;
"""

BACKWARD = """
DROP FUNCTION raise_resource_versions_like(text);
DROP FUNCTION raise_resource_version(text);
DROP TABLE resource_version;
"""


class Migration(migrations.Migration):
    """Make the table and its functions; the triggers are declared beside the models they watch."""

    initial = True
    dependencies = []
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
