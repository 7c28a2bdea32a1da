"""Instants as this service stores and writes them: UTC, to the millisecond, RFC 3339."""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """Return the current instant by PostgreSQL's clock, truncated to the millisecond.

    What is recorded has one clock, however many hosts there are and whatever theirs say; and what is stored is exactly
    what is served.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (instant,) = cursor.fetchone()
    return to_milliseconds(instant.astimezone(UTC))


def to_milliseconds(instant: datetime) -> datetime:
    """Return the instant, truncated to the millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_wire(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC, such as `2026-11-23T09:14:07.412Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_people(instant: datetime) -> str:
    """Write an aware instant for people: to the second, with its zone, which is UTC everywhere."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
