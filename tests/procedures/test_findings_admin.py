"""What keeps a draft from being published is said where it is to be mended."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from procedures import drafts
from procedures.models import Procedure, Revision
from rest import timestamps
from tests.conftest import ApiClient
from tests.factories import body, publish, slot, step


@pytest.fixture
def draft(admin_user: User) -> Revision:
    steps = [step(slots=[slot("mass", "decimal", min=1)]), step("incubate")]
    return drafts.open_draft(procedure=publish(body(steps=steps)), actor=admin_user, now=timestamps.now())


def page_of(client: Client, draft: Revision) -> str:
    return unescape(client.get(f"/admin/procedures/revision/{draft.pk}/change/").text)


def test_a_sound_draft_has_no_list_of_obstacles(admin_client: Client, draft: Revision) -> None:
    assert "What keeps it from being published" not in page_of(admin_client, draft)


def test_an_obstacle_is_in_the_list_and_at_its_field(admin_client: Client, draft: Revision) -> None:
    draft.steps.filter(key="incubate").update(role="wizard")

    page = page_of(admin_client, draft)

    assert "<a href=\"#id_steps-1-role\">Step 2 (incubate), role</a>: There is no group named 'wizard'." in page
    assert re.search(
        r'errorlist[^>]*><li>There is no group named [^>]*>\s*</ul>.{0,300}name="steps-1-role"', page, re.DOTALL
    )


def test_an_obstacle_within_a_slot_names_the_slot(admin_client: Client, draft: Revision) -> None:
    draft.steps.filter(key="measure").update(slots=[slot("mass", "decimal", min=3, max=2)])

    assert '<a href="#id_steps-0-slots">Step 1 (measure), slots, 1, max</a>: Must not be' in page_of(
        admin_client, draft
    )


def test_a_draft_without_steps_says_so(admin_client: Client, draft: Revision) -> None:
    draft.steps.all().delete()

    assert '<a href="#steps-group">Steps</a>: ' in page_of(admin_client, draft)


def test_the_admin_and_the_api_find_the_same_in_the_same_words(
    admin_client: Client, draft: Revision, author: ApiClient
) -> None:
    wrong = body(steps=[step(slots=[slot("mass", "decimal", min=3, max=2)]), step("incubate", role="wizard")])
    refused = author.put("/procedures/gibson", wrong, headers={"If-Match": "*"})
    draft.steps.filter(key="measure").update(slots=[slot("mass", "decimal", min=3, max=2)])

    page = page_of(admin_client, draft)

    assert refused.status_code == 400
    assert all(finding["detail"] in page for finding in refused.json()["errors"])


def test_a_role_is_chosen_from_the_groups(admin_client: Client, draft: Revision) -> None:
    Group.objects.create(name="surgeon")

    page = page_of(admin_client, draft)

    assert re.search(r'<select name="steps-0-role".*?<option value="surgeon">', page, re.DOTALL)


def test_a_role_that_is_no_longer_a_group_stays_until_somebody_chooses_another(
    admin_client: Client, draft: Revision
) -> None:
    draft.steps.filter(key="measure").update(role="wizard")

    page = page_of(admin_client, draft)

    assert '<option value="wizard" selected>wizard (there is no such group)</option>' in page


def test_a_procedure_that_nobody_has_published_is_told_what_it_needs(admin_client: Client, admin_user: User) -> None:
    now = timestamps.now()
    new = Procedure.objects.create(key="new", created_at=now, updated_at=now)

    page = page_of(admin_client, drafts.open_draft(procedure=new, actor=admin_user, now=now))

    assert '<a href="#steps-group">Steps</a>: ' in page
