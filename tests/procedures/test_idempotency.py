"""Procedures are written once for each Idempotency-Key, and a repeated request gets the first answer again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection

from access.actions import issue_token
from access.roles import Role
from procedures.models import Procedure, Receipt, Revision
from tests.answers import assert_repeated, assert_reused
from tests.conftest import ApiClient
from tests.factories import body, publish
from tests.meetings import meet

pytestmark = pytest.mark.django_db

KEY = "b0f4c9e2"
PATH = "/procedures/gibson"

WRITES = {
    "new content": body(title="Better", tags=["lab"]),
    "other tags": body(tags=["dna"]),
    "the same again": body(tags=["lab"]),
}
each_write = pytest.mark.parametrize("content", list(WRITES.values()), ids=list(WRITES))


@pytest.fixture
def gibson() -> Procedure:
    return publish(body(tags=["lab"]))


def post(client: ApiClient, content: Any, key: str = KEY) -> Any:
    return client.post("/procedures", content, headers={"Idempotency-Key": key})


def put(client: ApiClient, content: Any, key: str = KEY, path: str = PATH, if_match: str = "*") -> Any:
    return client.put(path, content, headers={"Idempotency-Key": key, "If-Match": if_match})


def archive(client: ApiClient) -> Any:
    return client.delete(PATH, headers={"If-Match": "*"})


def change_everything(client: ApiClient) -> None:
    """Publish another revision with other tags, and archive the procedure."""
    put(client, body(title="Later", tags=["later"]), key="later")
    archive(client)


def test_a_repeated_post_creates_nothing_and_is_answered_as_before(author: ApiClient) -> None:
    first = post(author, body(tags=["lab"]))

    again = post(author, body(tags=["lab"]))

    assert_repeated(again, first)
    assert again["Location"] == first["Location"]
    assert Revision.objects.count() == 1


def test_a_repeated_post_is_answered_as_before_whatever_has_changed_since(author: ApiClient) -> None:
    first = post(author, body(tags=["lab"]))
    change_everything(author)

    assert_repeated(post(author, body(tags=["lab"])), first)


def test_another_post_under_the_same_key_is_refused(author: ApiClient) -> None:
    post(author, body())

    assert_reused(post(author, body("lockout")))
    assert_reused(post(author, body(title="Other")))
    assert Revision.objects.count() == 1


@each_write
def test_a_repeated_put_changes_nothing_and_is_answered_as_before(
    author: ApiClient, gibson: Procedure, content: dict[str, Any]
) -> None:
    etag = put(author, body(tags=["lab"]), key="earlier")["ETag"]
    first = put(author, content, if_match=etag)
    revisions = Revision.objects.count()

    again = put(author, content, if_match=etag)

    assert first.status_code == 200
    assert_repeated(again, first)
    assert Revision.objects.count() == revisions


@each_write
def test_a_repeated_put_is_answered_as_before_whatever_has_changed_since(
    author: ApiClient, gibson: Procedure, content: dict[str, Any]
) -> None:
    first = put(author, content)
    change_everything(author)

    assert_repeated(put(author, content), first)
    assert author.get(PATH).json()["title"] == "Later"


@each_write
def test_another_put_under_the_same_key_is_refused(
    author: ApiClient, gibson: Procedure, content: dict[str, Any]
) -> None:
    put(author, content)
    before = author.get(PATH).content

    assert_reused(put(author, body(title="Other")))
    assert author.get(PATH).content == before


def test_a_repeated_put_that_made_the_procedure_active_again_leaves_it_archived(
    author: ApiClient, gibson: Procedure
) -> None:
    archive(author)
    first = put(author, body(tags=["lab"]))
    archive(author)

    assert_repeated(put(author, body(tags=["lab"])), first)
    assert first.json()["status"] == "active"
    assert author.get(PATH).json()["status"] == "archived"


def test_the_key_of_a_put_belongs_to_its_procedure(author: ApiClient, gibson: Procedure) -> None:
    publish(body("lockout"))
    keyless = {name: member for name, member in body(title="Better").items() if name != "key"}
    put(author, keyless)

    assert_reused(put(author, keyless, path="/procedures/lockout"))


def test_a_put_cannot_use_the_key_of_a_post(author: ApiClient) -> None:
    post(author, body())

    assert_reused(put(author, body()))


def test_a_refused_request_leaves_its_key_free(author: ApiClient, gibson: Procedure) -> None:
    assert post(author, body()).status_code == 409
    assert put(author, body(steps=[]) | {"steps": []}).status_code == 400

    assert post(author, body("lockout")).status_code == 201


def test_each_person_has_keys_of_their_own(author: ApiClient, person: Callable[[Role], User]) -> None:
    post(author, body())
    admin = ApiClient(issue_token(user=person(Role.ADMIN), name="test"))

    assert post(admin, body("lockout")).status_code == 201


def test_without_a_key_no_receipt_is_written(author: ApiClient) -> None:
    author.post("/procedures", body())

    assert not Receipt.objects.exists()


@pytest.mark.parametrize("change", [{"tags": ["other"]}, None], ids=["update", "delete"])
def test_a_receipt_never_changes(author: ApiClient, change: dict[str, Any] | None) -> None:
    post(author, body())

    with pytest.raises(IntegrityError, match="never changes"):
        Receipt.objects.update(**change) if change else Receipt.objects.all().delete()


def test_a_receipt_from_before_answers_were_kept_is_answered_with_the_procedure_as_it_was(author: ApiClient) -> None:
    first = post(author, body(tags=["lab"]))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE procedures_receipt DISABLE TRIGGER receipt_is_append_only")
        cursor.execute("UPDATE procedures_receipt SET body = NULL, entity_tag = NULL")
        cursor.execute("ALTER TABLE procedures_receipt ENABLE ALWAYS TRIGGER receipt_is_append_only")
    change_everything(author)

    again = post(author, body(tags=["lab"]))

    assert (again.status_code, again.json(), again.headers.get("ETag")) == (201, first.json(), None)
    assert again["Idempotent-Replayed"] == "true"


def test_a_receipt_is_shown_by_what_it_is_for(author: ApiClient) -> None:
    post(author, body())

    assert str(Receipt.objects.get()) == "gibson revision 1 for b0f4c9e2"


@pytest.mark.django_db(transaction=True)
def test_of_two_twins_that_create_one_waits_and_is_answered_like_the_other(author: ApiClient) -> None:
    first, twin = meet(lambda: post(author, body()), lambda: post(author, body()))

    assert first.status_code == 201
    assert_repeated(twin, first)
    assert (Revision.objects.count(), Receipt.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@each_write
def test_of_two_twins_that_publish_one_waits_and_is_answered_like_the_other(
    author: ApiClient, gibson: Procedure, content: dict[str, Any]
) -> None:
    etag = author.get(PATH)["ETag"]

    first, twin = meet(lambda: put(author, content, if_match=etag), lambda: put(author, content, if_match=etag))

    assert first.status_code == 200
    assert_repeated(twin, first)
    assert Receipt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_procedures_created_at_once_under_one_key_only_one_is_written(author: ApiClient) -> None:
    first, other = meet(lambda: post(author, body()), lambda: post(author, body("lockout")))

    assert first.status_code == 201
    assert_reused(other)
    assert [procedure.key for procedure in Procedure.objects.all()] == ["gibson"]


@pytest.mark.django_db(transaction=True)
@each_write
def test_of_two_procedures_published_at_once_under_one_key_only_one_changes(
    author: ApiClient, gibson: Procedure, content: dict[str, Any]
) -> None:
    publish(body("lockout"))

    first, other = meet(
        lambda: put(author, content), lambda: put(author, body("lockout", title="New"), path="/procedures/lockout")
    )

    assert first.status_code == 200
    assert_reused(other)
    assert author.get("/procedures/lockout").json()["revision"] == 1
