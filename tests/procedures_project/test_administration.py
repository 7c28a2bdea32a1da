"""The admin under the name of the service."""

import re

from django.contrib.admin.models import LogEntry
from django.test import Client

from tests.factories import body, publish


def test_its_pages_have_the_service_s_name_its_icon_and_the_way_to_its_pages(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()

    assert "| Procedures</title>" in page
    assert "Django administration" not in page
    assert re.search(r'<link rel="icon" href="[^"]+icon.svg"', page)
    assert '<a href="/">View site</a>' in page


def test_the_history_tells_instants_to_the_second_with_their_zone(admin_client: Client) -> None:
    procedure = publish(body("mixing"))
    entry = LogEntry.objects.get(
        object_id=procedure.pk, content_type__model="procedure"
    )  # a revision may have its number

    page = admin_client.get(f"/admin/procedures/procedure/{procedure.pk}/history/").content.decode()

    assert f"{entry.action_time:%Y-%m-%d %H:%M:%S} UTC" in page


def test_the_history_leads_to_the_comparison_of_revisions(admin_client: Client) -> None:
    procedure = publish(body("mixing"))
    revisions = "/console/procedures/mixing/revisions"
    of_revision = f"/admin/procedures/revision/{procedure.current_id}/history/"

    assert revisions in admin_client.get(f"/admin/procedures/procedure/{procedure.pk}/history/").content.decode()
    assert f"{revisions}?to=1" in admin_client.get(of_revision).content.decode()
