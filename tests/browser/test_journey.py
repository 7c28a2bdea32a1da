"""A checklist's whole way in a browser: written without JSON, published, run to its end, and its record read."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from rest import exact_json
from tests import PROJECT_DIR
from tests.browser.conftest import SignedIn
from tests.browser.draft_form import add_item, add_slot, add_step, new_draft
from tests.browser.run_page import check_everything, commit, fill, start
from tests.system.demo import Demo

SAMPLE = PROJECT_DIR / "procedures/sample_data/surgical-safety-checklist.json"
# With these, the sample has every type of slot.
MORE_SLOTS: list[dict[str, Any]] = [
    {
        "key": "wristband", "label": "Number on the wristband", "type": "text", "required": True,
        "pattern": "[A-Z]{2}-[0-9]{6}", "max_length": "9",
    },
    {"key": "born", "label": "Date of birth", "type": "date", "required": True},
    {"key": "fasting", "label": "Fasting for", "type": "duration", "required": True},
]  # fmt: skip
SIGN_IN: dict[str, Any] = {
    "patient_group": ["adult"], "weight_kg": "71.5", "known_allergy": False, "airway_risk": ["no"],
    "expected_blood_loss_ml": "200", "wristband": "AB-123456", "born": "1961-04-30",
    "fasting": {"h": "8", "m": "30"},
}  # fmt: skip
TIME_OUT: dict[str, Any] = {
    "procedure_and_site": "Hip replacement, left", "antibiotic_prophylaxis": ["given"], "antibiotic_minutes": "25",
    "surgeon_concerns": "None.\nNinety minutes.", "anaesthesia_concerns": "None.", "imaging": ["displayed"],
    "incision_at": "2026-11-26T09:14:05",
}  # fmt: skip
SIGN_OUT: dict[str, Any] = {
    "procedure_recorded": "Hip replacement, left", "counts": ["correct"], "specimens": "0",
    "recovery_concerns": ["pain", "thrombosis"],
}  # fmt: skip


def surgical_checklist(sample: Path = SAMPLE) -> dict[str, Any]:
    """Return the sample with every type of slot; numbers are texts, digit for digit."""
    definition: dict[str, Any] = json.loads(sample.read_text("utf-8"), parse_float=str, parse_int=str)["procedures"][0]
    definition["steps"][0]["slots"] += MORE_SLOTS
    return definition


def write(page: Page, definition: dict[str, Any]) -> str:
    """Write a procedure from nothing, and return its key."""
    key = new_draft(page)
    for name in ("title", "description", "change_note"):
        page.locator(f"#id_{name}").fill(definition[name])
    for step in definition["steps"]:
        texts = {name: step[name] for name in ("title", "instructions", "caution", "expected_duration_s")}
        form = add_step(page, step["key"], **texts)
        for slot in step["slots"]:
            add_slot(form, slot)
        for item in step["checklist"]:
            add_item(form, item)
    return key


def exact(definition: dict[str, Any]) -> Any:
    """Return the steps of a definition with its numbers as numbers."""
    numbers = ("min", "max", "decimals", "min_length", "max_length", "expected_duration_s")
    text = json.dumps(definition["steps"])
    return exact_json.loads(re.sub(rf'("(?:{"|".join(numbers)})": )"([0-9.]+)"', r"\1\2", text))


def commit_step(page: Page, values: dict[str, Any], next_place: str) -> None:
    """Fill a step in, commit it, and wait for the next."""
    fill(page, values)
    check_everything(page)
    commit(page)
    expect(page.get_by_text(next_place)).to_be_visible()


def test_an_author_writes_the_surgical_checklist_and_an_operator_runs_it_to_its_end(
    demo: Demo, signed_in: SignedIn
) -> None:
    definition = surgical_checklist()
    author = signed_in("author")
    key = write(author, definition)
    author.get_by_role("button", name="Save and publish").click()
    expect(author.get_by_text(f"Published {key} revision 1.")).to_be_visible()

    written: Any = exact_json.loads(demo.get(f"/procedures/{key}").text)
    assert written["steps"] == exact(definition)

    page = signed_in("operator", timezone_id="Europe/Berlin")
    run_id = start(page, key)
    fill(page, SIGN_IN | {"weight_kg": "heavy", "expected_blood_loss_ml": "900"})
    check_everything(page)
    commit(page)
    expect(page.get_by_text("Expected a number.")).to_be_visible()
    expect(page.get_by_text("Must be at most 500.")).to_be_visible()
    expect(page.get_by_label("Number on the wristband")).to_have_value("AB-123456")

    page.get_by_label("Body weight").fill("71.5")
    page.get_by_label("Outside its limits (0 to 500).").fill("Two lines, four units of blood.")
    commit(page)
    expect(page.get_by_text("Step 2 of 3")).to_be_visible()
    commit_step(page, TIME_OUT, "Step 3 of 3")

    page.get_by_role("link", name="Amend Sign in").click()
    page.get_by_label("Body weight").fill("75.5")
    page.get_by_label("Why is it amended?").fill("Read the wrong scale.")
    page.get_by_role("button", name="Amend").click()
    expect(page.get_by_text("Reason: Read the wrong scale.")).to_be_visible()
    commit_step(page, SIGN_OUT, "The run is completed")

    page.get_by_role("link", name="The record", exact=True).click()
    expect(page.get_by_text("holds over 5 events")).to_be_visible()
    expect(page.get_by_text("Deviation, Expected blood loss: Two lines, four units of blood.").first).to_be_visible()
    assert_recorded(demo, run_id)


def assert_recorded(demo: Demo, run_id: str) -> None:
    """Check the record against what was typed."""
    sign_in, time_out, amended, sign_out = demo.read(f"/runs/{run_id}")["commits"]
    assert sign_in["values"] == {
        "patient_group": "adult", "weight_kg": 71.5, "known_allergy": False, "airway_risk": "no",
        "expected_blood_loss_ml": 900, "wristband": "AB-123456", "born": "1961-04-30", "fasting": "PT8H30M",
    }  # fmt: skip
    assert sign_in["deviations"][0]["reason"] == "Two lines, four units of blood."
    assert time_out["values"]["surgeon_concerns"] == "None.\nNinety minutes."
    assert time_out["values"]["incision_at"] == "2026-11-26T09:14:05+01:00"
    assert (amended["amends"], amended["values"]["weight_kg"]) == (sign_in["seq"], 75.5)
    assert sign_out["values"]["recovery_concerns"] == ["pain", "thrombosis"]
