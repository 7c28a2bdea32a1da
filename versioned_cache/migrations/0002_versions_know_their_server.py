"""Let a version that another server bumped last go on at the clock; and fix where the functions look names up.

Note [Versions of another server]
A standby that was promoted before it had everything, and a restored backup, have versions that went on elsewhere: their
next numbers stand there for other bodies. So each row remembers which server process and which table it was bumped in.
Where that is not here, the next number is the clock's, above all that were used; then it counts by one again.
The server process (`pg_postmaster_start_time`) tells a standby from its primary and a copied data directory from its
original, and costs nothing to ask. The table tells what was dumped from what was restored into the same server.
"""

from django.db import migrations

from versioned_cache.search_path import FixSearchPath

FORWARD = """
ALTER TABLE resource_version
    ADD COLUMN raised_since timestamptz NOT NULL DEFAULT pg_postmaster_start_time(),
    ADD COLUMN raised_in oid NOT NULL DEFAULT 0;
UPDATE resource_version SET raised_in = tableoid;

CREATE OR REPLACE FUNCTION raise_resource_version(name text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO resource_version AS held (resource, version, raised_in)
    VALUES (name, floor(extract(epoch FROM clock_timestamp()) * 1000), 'resource_version'::regclass)
    ON CONFLICT (resource) DO UPDATE SET
        version = CASE WHEN (held.raised_since, held.raised_in) = (excluded.raised_since, excluded.raised_in)
            THEN held.version + 1 ELSE greatest(held.version + 1, excluded.version) END,
        raised_by = excluded.raised_by, raised_since = excluded.raised_since, raised_in = excluded.raised_in
    WHERE (held.raised_by, held.raised_since, held.raised_in)
        <> (excluded.raised_by, excluded.raised_since, excluded.raised_in)
$$;

CREATE OR REPLACE FUNCTION raise_resource_versions_like(pattern text) RETURNS void LANGUAGE sql AS $$
    SELECT raise_resource_version(resource) FROM resource_version WHERE resource LIKE pattern
$$;
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION raise_resource_version(name text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO resource_version AS held (resource, version)
    VALUES (name, floor(extract(epoch FROM clock_timestamp()) * 1000))
    ON CONFLICT (resource) DO UPDATE SET version = held.version + 1, raised_by = pg_current_xact_id()
    WHERE held.raised_by <> pg_current_xact_id()
$$;

CREATE OR REPLACE FUNCTION raise_resource_versions_like(pattern text) RETURNS void LANGUAGE sql AS $$
    UPDATE resource_version SET version = version + 1, raised_by = pg_current_xact_id()
    WHERE resource LIKE pattern AND raised_by <> pg_current_xact_id()
$$;

ALTER TABLE resource_version DROP COLUMN raised_in, DROP COLUMN raised_since;
"""


class Migration(migrations.Migration):
    """Add what tells the server, and fix the functions' paths."""

    dependencies = [("versioned_cache", "0001_resource_version")]
    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        FixSearchPath(["raise_resource_version(text)", "raise_resource_versions_like(text)"]),
    ]
