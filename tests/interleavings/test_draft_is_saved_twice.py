"""Two people save one draft in the same moment.

first   finds the draft as the form was opened on, and saves
other   saves too: has to wait for the lock
first   commits
other   goes on, and finds that the draft has changed: is told, and saves nothing
"""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from procedures import drafts
from rest import timestamps
from tests import factories
from tests.meetings import meet
from tests.procedures.page_forms import form_on


@pytest.mark.django_db(transaction=True)
def test_the_one_who_waited_is_told(redis: object) -> None:
    author = User.objects.create_superuser("mkoch")
    draft = drafts.open_draft(procedure=factories.publish(factories.body()), actor=author, now=timestamps.now())
    page = f"/admin/procedures/revision/{draft.pk}/change/"
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(author)
    form = form_on(clients[0].get(page).text, "revision_form")

    saved, refused = meet(
        lambda: clients[0].post(page, {**form, "title": "First"}),
        lambda: clients[1].post(page, {**form, "title": "Other"}),
    )

    draft.refresh_from_db()
    assert (saved.status_code, refused.status_code, draft.title) == (302, 200, "First")
    assert "Meanwhile this became: First." in refused.text
