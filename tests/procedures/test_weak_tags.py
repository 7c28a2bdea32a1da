"""A weak entity tag is good enough for a read, and never for a write (RFC 9110 §13.1)."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from runs.models import Run
from tests.conftest import ApiClient
from tests.factories import body, publish, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def etag(author: ApiClient) -> str:
    """The entity tag of a procedure, as a reader gets it."""
    publish(body("gibson"))
    return str(author.get("/procedures/gibson").headers["ETag"])


@pytest.mark.parametrize("if_match", ["W/{}", 'W/{}, "1-00000000"', '"1-00000000",W/{}'])
def test_a_write_that_names_the_current_version_weakly_is_refused(author: ApiClient, etag: str, if_match: str) -> None:
    headers = {"If-Match": if_match.format(etag)}

    answer = author.put("/procedures/gibson", body("gibson", title="New"), headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (412, "/problems/version-mismatch")
    assert author.get("/procedures/gibson").json()["title"] == "Gibson"


@pytest.mark.parametrize("if_match", ["{0}", "W/{0}, {0}", '{0}, W/"1-00000000"', " , {0},, "])
def test_a_write_that_names_the_current_version_strongly_is_done(author: ApiClient, etag: str, if_match: str) -> None:
    headers = {"If-Match": if_match.format(etag)}

    answer = author.put("/procedures/gibson", body("gibson", title="New"), headers=headers)

    assert answer.status_code == 200


def test_a_version_that_is_written_otherwise_is_another_tag(author: ApiClient, etag: str) -> None:
    padded = etag.replace('"', '"0', 1)

    answer = author.put("/procedures/gibson", body("gibson", title="New"), headers={"If-Match": padded})

    assert answer.status_code == 412
    assert author.get("/procedures/gibson", headers={"If-None-Match": padded}).status_code == 200


@pytest.mark.parametrize("if_match", ["", "*, {}", "x, {}", '"{}"', "{}; q=1", "{}, *", "'x'", "{0} {0}", ","])
def test_what_is_not_a_list_of_entity_tags_is_refused(author: ApiClient, etag: str, if_match: str) -> None:
    headers = {"If-Match": if_match.format(etag)}

    answer = author.put("/procedures/gibson", body("gibson", title="New"), headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-request")
    assert author.get("/procedures/gibson").json()["title"] == "Gibson"


def test_a_step_is_not_committed_on_a_version_that_is_named_weakly(
    operator: ApiClient, person: Callable[[Role], User]
) -> None:
    run: Run = start(person(Role.OPERATOR))
    etag = operator.get(f"/runs/{run.pk}").headers["ETag"]

    answer = operator.post(f"/runs/{run.pk}/steps/measure/commit", {}, headers={"If-Match": f"W/{etag}"})

    assert answer.status_code == 412
    assert run.events.count() == 1


def test_a_read_that_names_the_current_version_weakly_is_answered_304(author: ApiClient, etag: str) -> None:
    answer = author.get("/procedures/gibson", headers={"If-None-Match": f"W/{etag}"})

    assert answer.status_code == 304
