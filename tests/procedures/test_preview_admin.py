"""An author sees instructions as operators will see them, while writing them."""

from django.contrib.auth.models import User
from django.test import Client

from procedures.admin.previews import MAX_LENGTH

PREVIEW = "/admin/procedures/revision/preview/"


def test_it_is_the_html_that_operators_get(admin_client: Client) -> None:
    answer = admin_client.post(PREVIEW, {"text": "Mix **gently**.\r\n\r\n<script>alert(1)</script>"})

    html = answer.json()["html"]
    assert "<strong>gently</strong>" in html
    assert "<script" not in html


def test_what_is_longer_than_instructions_may_be_is_not_shown(admin_client: Client) -> None:
    assert "html" in admin_client.post(PREVIEW, {"text": "x" * MAX_LENGTH}).json()
    assert admin_client.post(PREVIEW, {"text": "x" * (MAX_LENGTH + 1)}).json() == {
        "refusal": f"Instructions have at most {MAX_LENGTH} characters; these have {MAX_LENGTH + 1}."
    }


def test_only_staff_may_ask(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("visitor"))

    assert client.post(PREVIEW, {"text": "x"}).status_code == 302


def test_asking_takes_a_post(admin_client: Client) -> None:
    assert admin_client.get(PREVIEW).status_code == 405
