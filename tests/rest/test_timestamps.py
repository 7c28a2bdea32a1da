"""Instants as they are stored and written."""

from datetime import UTC, datetime, timedelta

import pytest

from rest import timestamps

pytestmark = pytest.mark.django_db  # the clock is PostgreSQL's


def test_now_is_aware_and_truncated_to_the_millisecond() -> None:
    instant = timestamps.now()

    assert instant.utcoffset() == timedelta(0)
    assert instant.microsecond % 1000 == 0


def test_now_survives_a_round_trip() -> None:
    instant = timestamps.now()

    assert datetime.fromisoformat(timestamps.to_wire(instant)) == instant


def test_an_instant_of_another_offset_is_written_in_utc() -> None:
    instant = datetime.fromisoformat("2026-11-23T00:30:00+01:00")

    assert timestamps.to_wire(instant) == "2026-11-22T23:30:00.000Z"


def test_a_whole_second_is_written_with_milliseconds() -> None:
    assert timestamps.to_wire(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000Z"


def test_people_are_shown_an_instant_to_the_second_in_utc() -> None:
    instant = datetime.fromisoformat("2026-11-23T00:30:07.412+01:00")

    assert timestamps.to_people(instant) == "2026-11-22 23:30:07 UTC"
