"""Every sample procedure is executed to its end through the API alone, with values made from its own slots."""

import random
from typing import Any

import pytest
import rstr

from tests import PROJECT_DIR
from tests.system.demo import Demo

SAMPLES = sorted(path.stem for path in (PROJECT_DIR / "procedures" / "sample_data").glob("*.json"))


class Operator:
    """Fills in slots like a client that knows only their definitions."""

    def __init__(self) -> None:
        self._random = random.Random(0)  # noqa: S311  # no secret
        self._texts = rstr.Rstr(self._random)

    def submission_for(self, step: dict[str, Any]) -> dict[str, Any]:
        """Return a body that commits a step: every slot filled, every item ticked."""
        return {
            "values": {slot["key"]: self.value_for(slot) for slot in step["slots"]},
            "checklist": {item["key"]: True for item in step["checklist"]},
        }

    def value_for(self, slot: dict[str, Any]) -> Any:
        """Return a value that a slot accepts."""
        options = [option["value"] for option in slot.get("options", [])]
        least = slot.get("min", slot.get("max", 1))
        values: dict[str, Any] = {
            "text": self._text_for(slot),
            "integer": least,
            "decimal": least,
            "boolean": True,
            "choice": self._random.choice(options) if options else None,
            "multi_choice": options[:2],
            "date": "2026-11-23",
            "datetime": "2026-11-23T09:14:05Z",
            "duration": "PT1H5M",
        }
        return values[slot["type"]]

    def _text_for(self, slot: dict[str, Any]) -> str:
        shortest: int = slot.get("min_length", 1)
        longest: int = slot.get("max_length", 1000)
        if "pattern" not in slot:
            return ("As the book says. " * shortest)[: max(shortest, 3)]
        candidates = (self._texts.xeger(slot["pattern"]) for _ in range(1000))
        return next(text for text in candidates if shortest <= len(text) <= longest)


@pytest.mark.parametrize("key", SAMPLES)
def test_a_sample_procedure_is_executed_to_its_end(demo: Demo, key: str) -> None:
    operator, client = Operator(), demo.client("supervisor")
    run = client.post("/runs", json={"procedure": key}).raise_for_status().json()

    while steps := demo.read(f"/runs/{run['id']}/current")["steps"]:
        path = f"/runs/{run['id']}/steps/{steps[0]['key']}/commit"
        answer = client.post(path, json=operator.submission_for(steps[0]))
        assert answer.status_code == 201, answer.text

    ended = demo.read(f"/runs/{run['id']}")
    assert ended["status"] == "completed"
    assert ended["progress"]["resolved"] == ended["progress"]["total"] == len(ended["commits"])
    assert {step["state"] for step in ended["steps"]} == {"committed"}


def test_there_are_seven_samples() -> None:
    assert len(SAMPLES) == 7
