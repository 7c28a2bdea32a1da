"""The page of a run among others who work on it, and over a line that loses answers."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import SignedIn
from tests.browser.run_page import commit, start
from tests.factories import slot, step
from tests.system.demo import Demo


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


def test_a_page_on_which_nothing_happens_is_answered_304(demo: Demo, signed_in: SignedIn) -> None:
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


# The second is in the hour that comes twice when summer time ends in Berlin, for the second time.
@pytest.mark.parametrize(
    ("recorded", "shown"),
    [("2026-07-01T09:14:05.500-04:00", "2026-07-01T15:14:05"), ("2026-10-25T01:30:00Z", "2026-10-25T02:30")],
)
def test_an_instant_survives_an_amendment_in_another_zone(
    demo: Demo, signed_in: SignedIn, recorded: str, shown: str
) -> None:
    with demo.procedure(steps=[step("measure", slots=[slot("at", "datetime")]), step("incubate")]) as key:
        run_id = demo.start_run(key)
        demo.commit(run_id, "measure", values={"at": recorded}, performed_at=recorded)
        page = signed_in("operator", timezone_id="Europe/Berlin")
        page.goto(f"/console/runs/{run_id}?step=measure")
        for field in ("#value-at", "#performed_at"):
            expect(page.locator(field)).to_have_value(shown)

        page.get_by_label("Why is it amended?").fill("The note was missing.")
        page.get_by_role("button", name="Amend", exact=True).click()

        expect(page.get_by_text("replaces event 2")).to_be_visible()
        first, amendment = demo.read(f"/runs/{run_id}")["commits"]
        assert amendment["values"] == first["values"] == {"at": recorded}
        assert amendment["performed_at"] == first["performed_at"]


def test_the_wall_shows_a_commit_by_itself(demo: Demo, signed_in: SignedIn) -> None:
    with demo.procedure(title="Seen on the wall") as key:
        wall = signed_in("viewer")
        run_id = demo.start_run(key)
        wall.goto("/wall")
        mine = wall.locator("article", has_text="Seen on the wall")
        expect(mine.get_by_text("Measure")).to_be_visible()

        demo.commit(run_id, "measure")

        expect(mine.get_by_text("Incubate")).to_be_visible()
