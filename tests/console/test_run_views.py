"""The page of a run, as a browser without scripts sees it, and what its scripts ask for."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from access.roles import Role
from runs import caches
from runs.models import Run
from tests import factories
from tests.console.conftest import Browser, form
from tests.factories import body, item, slot, start, step
from versioned_cache.http.validators import etag

SCRIPT = {"HX-Request": "true"}


def page_of(run: Run) -> str:
    return f"/console/runs/{run.pk}"


def commit(client: Client, run: Run, *, step: str = "mix", **fields: object) -> Any:
    return client.post(f"{page_of(run)}/steps/{step}/commit", form(**fields))


def test_strangers_are_sent_to_the_sign_in_page_and_come_back(db: None) -> None:
    answer = Client().get("/wall")

    assert (answer.status_code, answer["Location"]) == (302, "/console/sign-in?next=/wall")


@pytest.mark.parametrize(
    ("sender", "page"),
    [
        ("http://testserver/wall?full=1", "/wall%3Ffull%3D1"),
        ("http://evil.example/wall", "/"),
        ("//evil.example", "/"),
        ("", "/"),
    ],
)
def test_whoever_was_signed_out_before_they_sent_a_form_comes_back_to_its_page(
    run: Run, sender: str, page: str
) -> None:
    answer = Client().post(f"{page_of(run)}/pause", headers={"Referer": sender})

    assert (answer.status_code, answer["Location"]) == (302, f"/console/sign-in?next={page}")


def test_a_page_is_not_kept_so_that_the_back_button_asks_again(browser_of: Browser, run: Run) -> None:
    assert "no-store" in browser_of(Role.VIEWER).get(page_of(run))["Cache-Control"]


def test_the_page_shows_the_step_to_do_with_its_instructions_and_inputs(browser_of: Browser, run: Run) -> None:
    page = browser_of(Role.OPERATOR).get(page_of(run)).content.decode()

    assert "Step 1 of 2" in page
    assert "Mix <strong>gently</strong>." in page
    assert 'name="value.minutes"' in page
    assert "15 to 65" in page
    assert "Tubes are on ice" in page


def test_a_right_form_is_recorded_and_the_next_step_is_shown(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.OPERATOR)

    answer = commit(client, run, note="As usual")

    assert (answer.status_code, answer["Location"]) == (302, page_of(run))
    assert "Step 2 of 2" in client.get(page_of(run)).content.decode()
    event = run.events.get(seq=2)
    assert (event.values, event.checklist, event.note) == ({"minutes": 20}, {"on_ice": True}, "As usual")


def test_a_wrong_form_comes_back_with_what_was_typed_and_what_is_wrong(browser_of: Browser, run: Run) -> None:
    answer = commit(browser_of(Role.OPERATOR), run, value__minutes="twenty", check__on_ice=None, note="Kept")

    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="twenty"' in page
    assert "Expected an integer." in page
    assert "Kept</textarea>" in page
    assert run.events.count() == 1


def test_a_value_outside_its_limits_is_recorded_only_with_a_reason(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.OPERATOR)

    refused = commit(client, run, value__minutes="90")
    assert "Must be at most 65." in refused.content.decode()

    commit(client, run, value__minutes="90", deviation__minutes="The oven was cold.")

    assert run.events.get(seq=2).deviations[0]["reason"] == "The oven was cold."


def test_the_same_form_sent_twice_is_recorded_once(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.OPERATOR)

    first, second = commit(client, run), commit(client, run)

    assert first.status_code == second.status_code == 302
    assert run.events.count() == 2


def test_a_step_that_somebody_else_has_done_meanwhile_is_not_done_again(browser_of: Browser, run: Run) -> None:
    commit(browser_of(Role.OPERATOR), run)

    late = commit(browser_of(Role.SUPERVISOR), run, key="k-2", note="Typed for nothing?")

    assert late.status_code == 409
    page = late.content.decode()
    assert "The step has already been committed or skipped" in page
    assert "Typed for nothing?" in page
    assert run.events.count() == 2


def test_a_step_is_skipped_for_a_reason(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.OPERATOR)
    commit(client, run)

    refused = client.post(f"{page_of(run)}/steps/rest/skip", {"key": "s", "reason": " "})
    client.post(f"{page_of(run)}/steps/rest/skip", {"key": "s", "reason": "No time."})

    assert refused.status_code == 400
    assert run.events.get(seq=3).reason == "No time."
    assert "The run is completed" in client.get(page_of(run)).content.decode()


def test_what_was_recorded_is_amended_with_a_reason_and_both_stay_in_the_history(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.OPERATOR)
    commit(client, run)
    asked = client.get(f"{page_of(run)}?step=mix").content.decode()

    client.post(
        f"{page_of(run)}/steps/mix/amend",
        form(key="a", value__minutes="25", amends="2", reason="Read the wrong clock."),
    )

    assert "Amend event 2" in asked
    assert 'value="20"' in asked
    page = client.get(page_of(run)).content.decode()
    assert "Read the wrong clock." in page
    assert "replaced by event 3" in page
    assert "25 min" in page


@pytest.mark.parametrize("amends", ["", "two", "9" * 5_000])
def test_an_amendment_of_no_event_is_refused(browser_of: Browser, run: Run, amends: str) -> None:
    client = browser_of(Role.OPERATOR)
    commit(client, run)

    refused = client.post(
        f"{page_of(run)}/steps/mix/amend", form(key="a", value__minutes="25", amends=amends, reason="Wrong clock.")
    )

    assert refused.status_code == 400
    assert run.events.count() == 2


def test_a_text_with_a_nul_is_refused_beside_its_field(browser_of: Browser, person: Callable[[Role], User]) -> None:
    run = start(person(Role.OPERATOR), body("cooling", steps=[step("mix", slots=[slot("how", "text")])]))

    answer = browser_of(Role.OPERATOR).post(f"{page_of(run)}/steps/mix/commit", {"key": "n", "value.how": "a\x00b"})

    assert answer.status_code == 400
    assert "Null characters are not allowed." in answer.content.decode()


@pytest.mark.parametrize("page", ["", "/record"])
def test_an_item_that_was_recorded_as_not_ticked_is_not_shown_as_ticked(
    browser_of: Browser, person: Callable[[Role], User], page: str
) -> None:
    actor = person(Role.OPERATOR)
    run = start(actor, body("chilling", steps=[step("mix", checklist=[item("on_ice", required=False)])]))
    factories.commit(run, "mix", actor, checklist={"on_ice": False})

    shown = browser_of(Role.VIEWER).get(page_of(run) + page).content.decode()

    assert "On_ice" in shown
    assert "✓" not in shown


def test_a_run_is_paused_resumed_and_aborted(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.SUPERVISOR)

    for verb, fields in (("pause", {}), ("resume", {}), ("abort", {"reason": "Power cut."})):
        assert client.post(f"{page_of(run)}/{verb}", {"key": verb, **fields}).status_code == 302

    assert [event.kind for event in run.events.all()] == ["start", "pause", "resume", "abort"]
    assert "Power cut." in client.get(page_of(run)).content.decode()


@pytest.mark.parametrize("verb", ["skip", "explode"])
def test_a_run_has_no_other_verbs(browser_of: Browser, run: Run, verb: str) -> None:
    assert browser_of(Role.SUPERVISOR).post(f"{page_of(run)}/{verb}").status_code == 404


def test_viewers_watch_and_take_no_part(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.VIEWER)

    page = client.get(page_of(run)).content.decode()

    assert "You may watch this run" in page
    assert commit(client, run).status_code == 403
    assert run.events.count() == 1


def test_people_without_any_right_see_nothing(django_user_model: type[User], run: Run) -> None:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(django_user_model.objects.create(username="nobody"))

    assert client.get(page_of(run)).status_code == 403
    assert client.get("/").status_code == 403


def test_a_run_that_does_not_exist_is_a_page_that_says_so(browser_of: Browser) -> None:
    answer = browser_of(Role.VIEWER).get("/console/runs/01a21742-2dd6-7265-9928-8473106b333d")

    assert answer.status_code == 404
    assert "Run not found" in answer.content.decode()


# What lives by itself


@pytest.mark.django_db(transaction=True)  # within a transaction no page would have a tag
def test_a_page_that_is_up_to_date_is_told_so_without_a_body(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.VIEWER)
    version = caches.read_run(run_id=str(run.pk)).version
    assert version is not None
    tag = etag(version, caches.FINGERPRINT)

    live = client.get(f"{page_of(run)}/live", headers=SCRIPT)
    again = client.get(f"{page_of(run)}/live", headers=SCRIPT | {"If-None-Match": tag})

    assert live.status_code == 200
    headers = re.search(r"hx-headers='([^']*)'", live.content.decode())
    assert headers is not None
    assert json.loads(headers[1]) == {"If-None-Match": tag}
    assert (again.status_code, again.content) == (304, b"")


def test_what_a_script_sends_is_answered_with_the_parts_that_change(browser_of: Browser, run: Run) -> None:
    answer = browser_of(Role.OPERATOR).post(f"{page_of(run)}/steps/mix/commit", form(), headers=SCRIPT)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count('hx-swap-oob="true"') == 2
    assert "<html" not in page
    assert "Step 2 of 2" in page


# The record


def test_the_record_says_whether_the_chain_holds(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.VIEWER)

    page = client.get(f"{page_of(run)}/record").content.decode()

    assert "holds over 1 events" in page
    assert run.events.get().hash in page
