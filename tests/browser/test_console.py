"""An operator executes a run in a browser, alone and with others, over a line that loses answers."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SignedIn
from tests.factories import item, slot, step
from tests.system.demo import Demo

OPTIONS = [{"value": "left", "label": "Left side"}, {"value": "right", "label": "Right side"}]
EVERY_TYPE = step(
    "measure",
    slots=[
        slot("lot", "text", pattern="[A-Z]{2}-[0-9]{3}", max_length=6),
        slot("count", "integer", min=1, max=10),
        slot("volume", "decimal", unit="µl", min=5, max=20, decimals=2, out_of_range="deviation"),
        slot("labelled", "boolean"),
        slot("side", "choice", options=OPTIONS),
        slot("tools", "multi_choice", options=OPTIONS, required=False),
        slot("day", "date"),
        slot("moment", "datetime"),
        slot("length", "duration"),
    ],
    checklist=[item("on_ice", label="Tubes are on ice")],
)
STEPS = [EVERY_TYPE, step("rest"), step("finish")]


def start(page: Page, key: str) -> str:
    """Start a run from the page of its procedure, and return its id."""
    page.goto(f"/console/procedures/{key}")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/console/runs/[0-9a-f-]+$"))
    return page.url.rpartition("/")[2]


def commit(page: Page) -> None:
    """Press the large button."""
    page.get_by_role("button", name="Commit this step").click()


def fill_every_type(page: Page) -> None:
    """Fill the first step in."""
    page.get_by_label("Lot").fill("AB-123")
    page.get_by_label("Count").fill("3")
    page.get_by_label(re.compile("^Volume")).fill("12.50")
    page.get_by_role("group", name="Labelled").get_by_label("Yes").check()
    page.get_by_role("group", name="Side").get_by_label("Left side").check()
    page.get_by_role("group", name="Tools").get_by_label("Right side").check()
    page.get_by_label("Day").fill("2026-11-26")
    page.get_by_label(re.compile("^Moment")).fill("2026-11-26T09:14:05")
    page.get_by_role("textbox", name="hours").fill("1")
    page.get_by_role("textbox", name="minutes").fill("30")
    page.get_by_label("Tubes are on ice").check()


def test_an_operator_executes_a_run_to_its_end(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure(steps=STEPS) as key:
        page = signed_in("operator", timezone_id="Europe/Berlin")
        run_id = start(page, key)

        fill_every_type(page)
        page.get_by_label("Count").fill("three")
        commit(page)
        expect(page.get_by_text("Expected an integer.")).to_be_visible()
        expect(page.get_by_label("Lot")).to_have_value("AB-123")
        page.get_by_label("Count").fill("3")

        page.get_by_label(re.compile("^Volume")).fill("25")
        reason = page.get_by_label(re.compile("Why is it recorded all the same"))
        expect(reason).to_be_visible()
        commit(page)
        expect(page.get_by_text("Must be at most 20.")).to_be_visible()
        reason.fill("The pipette was worn.")
        commit(page)

        expect(page.get_by_text("Step 2 of 3")).to_be_visible()
        commit(page)
        expect(page.get_by_text("Step 3 of 3")).to_be_visible()

        page.get_by_role("link", name="Amend Measure").click()
        page.get_by_label(re.compile("^Volume")).fill("15")
        page.get_by_label("Why is it amended?").fill("Read the wrong scale.")
        page.get_by_role("button", name="Amend").click()
        expect(page.get_by_text("Read the wrong scale.")).to_be_visible()
        expect(page.get_by_text("Step 3 of 3")).to_be_visible()
        commit(page)
        expect(page.get_by_role("heading", name="The run is completed")).to_be_visible()

        (first, second) = [event for event in demo.read(f"/runs/{run_id}")["commits"] if event["step_key"] == "measure"]
        assert first["values"] == {
            "lot": "AB-123", "count": 3, "volume": 25, "labelled": True, "side": "left", "tools": ["right"],
            "day": "2026-11-26", "moment": "2026-11-26T09:14:05+01:00", "length": "PT1H30M",
        }  # fmt: skip
        assert first["deviations"][0]["reason"] == "The pipette was worn."
        assert (second["amends"], second["values"]["volume"]) == (first["seq"], 15)


def test_two_browsers_see_each_others_commits_within_a_second(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure() as key:
        one, other = signed_in("operator"), signed_in("supervisor")
        run_id = start(one, key)
        other.goto(f"/console/runs/{run_id}")
        expect(other.get_by_text("Step 1 of 2")).to_be_visible()

        commit(one)
        expect(other.get_by_text("Step 2 of 2")).to_be_visible()
        commit(other)

        expect(one.get_by_role("heading", name="The run is completed")).to_be_visible()


def test_a_page_on_which_nothing_happens_is_told_304(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure() as key:
        page = signed_in("operator")
        start(page, key)

        with page.expect_response(lambda answer: "/live" in answer.url) as answered:
            pass

        assert answered.value.status == 304


def test_what_somebody_types_is_kept_when_another_is_faster(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure() as key:
        slow, fast = signed_in("operator"), signed_in("supervisor")
        run_id = start(slow, key)
        slow.get_by_text("Note, or done at another time").click()
        slow.get_by_label("Note", exact=True).fill("A long observation")
        fast.goto(f"/console/runs/{run_id}")
        commit(fast)

        expect(slow.get_by_text("Somebody has changed this run meanwhile.")).to_be_visible()
        expect(slow.get_by_label("Note", exact=True)).to_have_value("A long observation")
        commit(slow)

        expect(slow.get_by_text("The step has already been committed or skipped")).to_be_visible()
        expect(slow.get_by_label("Note", exact=True)).to_have_value("A long observation")
        assert [event["actor"]["name"] for event in demo.read(f"/runs/{run_id}")["commits"]] == ["supervisor"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_commit_whose_answer_is_lost_is_recorded_once(demo: Demo, signed_in: SignedIn, is_recorded: bool) -> None:
    with demo.procedure() as key:
        page = signed_in("operator")
        run_id = start(page, key)
        lost: list[str] = []

        def lose_the_first_answer(route: Route) -> None:
            if lost:
                route.continue_()
                return
            lost.append(route.request.url)
            if is_recorded:
                route.fetch()
            route.abort()

        page.route("**/commit", lose_the_first_answer)
        commit(page)

        expect(page.get_by_text("Step 2 of 2")).to_be_visible()
        assert lost
        assert [event["step_key"] for event in demo.read(f"/runs/{run_id}")["commits"]] == ["measure"]


def test_a_double_click_records_once(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure() as key:
        page = signed_in("operator")
        run_id = start(page, key)

        page.get_by_role("button", name="Commit this step").dblclick()

        expect(page.get_by_text("Step 2 of 2")).to_be_visible()
        assert len(demo.read(f"/runs/{run_id}")["commits"]) == 1


def test_a_lost_connection_shows_and_the_page_catches_up(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure() as key:
        page = signed_in("operator")
        run_id = start(page, key)

        page.context.set_offline(True)
        expect(page.get_by_text("No connection.")).to_be_visible()
        demo.commit(run_id, "measure")
        page.context.set_offline(False)

        expect(page.get_by_text("Step 2 of 2")).to_be_visible()
        expect(page.get_by_text("No connection.")).to_be_hidden()


def test_the_wall_shows_a_commit_by_itself(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure(title="Seen on the wall") as key:
        wall = signed_in("viewer")
        run_id = demo.start_run(key)
        wall.goto("/wall")
        mine = wall.locator("article", has_text="Seen on the wall")
        expect(mine.get_by_text("Measure")).to_be_visible()

        demo.commit(run_id, "measure")

        expect(mine.get_by_text("Incubate")).to_be_visible()
