"""How the console writes durations, and the names of slots."""

import pytest

from console.templatetags.console import duration, label_of


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(12, "12 s"), (180, "3 min"), (200.4, "3 min 20 s"), (3600, "1 h"), (3901, "1 h 05 min"), (None, "–")],  # noqa: RUF001
)
def test_a_duration_is_written_without_what_is_zero(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written


def test_a_slot_is_called_by_its_label() -> None:
    assert label_of([{"key": "idle_rpm", "label": "Idle"}], "idle_rpm") == "Idle"
