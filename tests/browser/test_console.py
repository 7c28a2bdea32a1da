"""The page of a run among others who work on it, and over a line that loses answers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import SignedIn
from tests.browser.people import sign_in
from tests.browser.run_page import commit, start
from tests.factories import item, slot, step
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


def test_words_without_an_end_suit_a_phone(demo: Demo, signed_in: SignedIn) -> None:
    long = {"label": "L" * 200}
    options = [{"value": "a", "label": "O" * 200}, {"value": "b", "label": "P" * 200}]
    slots = [slot("note", "text", **long), slot("dose", "choice", options=options), slot("fasting", "duration", **long)]
    measure = step("measure", title="S" * 200, slots=slots, checklist=[item("done", label="K" * 300)])
    with demo.procedure(title="T" * 200, tags=["t" * 63], steps=[measure, step("seal")]) as key:
        run_id = demo.start_run(key)
        values = {"note": "n" * 1_000, "dose": "a", "fasting": "PT1H"}
        page = signed_in("operator", viewport={"width": 360, "height": 740})
        paths = ["/", f"/console/procedures/{key}", f"/console/runs/{run_id}"]
        assert {path: width_of(page, path) for path in paths} == dict.fromkeys(paths, 360)
        demo.commit(run_id, "measure", values=values, checklist={"done": True})

        paths = [f"/console/runs/{run_id}?step=measure", f"/console/runs/{run_id}/record", "/wall"]
        assert {path: width_of(page, path) for path in paths} == dict.fromkeys(paths, 360)


def width_of(page: Page, path: str) -> int:
    """Return how wide a page is."""
    page.goto(path)
    return int(page.evaluate("document.documentElement.scrollWidth"))


def sign_out_elsewhere(page: Page) -> None:
    """Sign out in another tab."""
    other = page.context.new_page()
    other.goto("/wall")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Password")).to_be_visible()


@pytest.fixture
def visitor(demo: Demo, chromium: Browser) -> Iterator[Page]:
    """The page of an operator, with a session that no other test needs."""
    context = chromium.new_context(base_url=demo.base_url, storage_state=sign_in(chromium, demo, "operator"))
    yield context.new_page()
    context.close()


def test_whoever_is_signed_out_is_told_and_keeps_what_they_typed(demo: Demo, visitor: Page) -> None:
    with demo.procedure() as key:
        run_id = start(visitor, key)
        visitor.get_by_text("Note, or done at another time").click()
        visitor.get_by_label("Note", exact=True).fill("A long observation")
        sign_out_elsewhere(visitor)

        commit(visitor)

        expect(visitor.get_by_text("You are signed out, or may not do this any more.")).to_be_visible()
        expect(visitor.get_by_role("button", name="Commit this step")).to_be_enabled()
        expect(visitor.get_by_label("Note", exact=True)).to_have_value("A long observation")
        assert demo.read(f"/runs/{run_id}")["commits"] == []


def test_a_wall_of_somebody_who_is_signed_out_says_so_and_stays_a_wall(demo: Demo, visitor: Page) -> None:
    with demo.procedure(title="Still on the wall") as key:
        demo.start_run(key)
        visitor.goto("/wall")
        sign_out_elsewhere(visitor)

        expect(visitor.get_by_text("You are signed out, or may not do this any more.")).to_be_visible()
        expect(visitor.locator("article", has_text="Still on the wall").first).to_be_visible()
        expect(visitor.get_by_label("Password")).to_have_count(0)


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
