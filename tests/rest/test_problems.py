"""How each error is answered over HTTP."""

from http import HTTPStatus
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import Http404
from rest_framework import exceptions

from rest import error_answers
from rest.error_answers import failure_of_postgresql, problem_of
from rest.findings import Finding
from rest.problems import (
    MALFORMED_REQUEST,
    NOT_FOUND,
    PAYLOAD_TOO_LARGE,
    UNKNOWN_PARAMETER,
    UNSUPPORTED_MEDIA_TYPE,
    Member,
    problem_type,
    validation_failed,
)
from tests.conftest import ApiClient

OUT_OF_ORDER = problem_type(
    HTTPStatus.CONFLICT, "out-of-order", "Not yet", "Something comes first.",
    blocking=Member({"type": "array", "items": {"type": "string"}}, ["b"]),
)  # fmt: skip


class BookChanged(exceptions.APIException):
    """An error of an app that knows nothing of problems."""

    status_code = 412
    current_etag = '"7"'


class ShelfIsFull(exceptions.APIException):
    """An error of the same app, with a status that no generic type has."""

    status_code = 507


def test_a_problem_has_the_members_of_rfc_9457_and_its_own() -> None:
    problem = OUT_OF_ORDER("First things first.", blocking=["a"])

    assert problem.document("/runs/1", "5f0c") == {
        "type": "/problems/out-of-order",
        "title": "Not yet",
        "status": 409,
        "detail": "First things first.",
        "instance": "/runs/1",
        "request_id": "5f0c",
        "blocking": ["a"],
    }


@pytest.mark.parametrize("members", [{}, {"blocking": [], "blokcing": []}, {"blokcing": []}], ids=repr)
def test_a_problem_has_exactly_the_members_that_its_type_declares(members: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"^out-of-order needs the members \['blocking'\]"):
        OUT_OF_ORDER(**members)


def test_a_problem_is_caught_by_the_name_of_its_type() -> None:
    def refuse() -> None:
        try:
            raise OUT_OF_ORDER("First things first.", blocking=[])
        except NOT_FOUND:
            pytest.fail("This is another type.")

    with pytest.raises(OUT_OF_ORDER, match="First things first"):
        refuse()


def test_a_problem_without_a_detail_reads_as_its_title() -> None:
    assert str(OUT_OF_ORDER(blocking=[])) == "Not yet"


def test_a_type_has_what_openapi_says_about_it() -> None:
    assert (OUT_OF_ORDER.status, OUT_OF_ORDER.slug) == (HTTPStatus.CONFLICT, "out-of-order")
    assert (OUT_OF_ORDER.title, OUT_OF_ORDER.when) == ("Not yet", "Something comes first.")
    assert OUT_OF_ORDER.component == "OutOfOrderProblem"
    assert OUT_OF_ORDER.members["blocking"].example == ["b"]


def test_a_problem_raised_without_a_detail_has_none_nor_an_id_where_nobody_has_given_one() -> None:
    assert NOT_FOUND().document("/", None).keys() == {"type", "title", "status", "instance"}


def test_validation_failed_lists_every_finding() -> None:
    problem = validation_failed([Finding("/a", "type", "No."), Finding("/b", "min", "Too small.")])

    document = problem.document("/", None)

    assert (document["detail"], document["more"]) == ("2 problems", 0)
    assert document["errors"] == [
        {"pointer": "/a", "code": "type", "detail": "No."},
        {"pointer": "/b", "code": "min", "detail": "Too small."},
    ]


def test_of_very_many_findings_the_first_hundred_are_listed_and_the_rest_is_counted() -> None:
    findings = [Finding(f"/{number}", "type", "No.") for number in range(250)]

    document = validation_failed(findings).document("/", None)

    assert [error["pointer"] for error in document["errors"]] == [f"/{number}" for number in range(100)]
    assert (document["detail"], document["more"]) == ("250 problems", 150)


def test_a_single_finding_is_one_problem() -> None:
    assert validation_failed([Finding("/a", "type", "No.")]).document("/", None)["detail"] == "1 problem"


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (MALFORMED_REQUEST("?"), 400, "malformed-request"),
        (UNKNOWN_PARAMETER(parameter="a", known=[]), 400, "unknown-parameter"),
        (PAYLOAD_TOO_LARGE(limit_bytes=1), 413, "payload-too-large"),
        (UNSUPPORTED_MEDIA_TYPE("?"), 415, "unsupported-media-type"),
        (exceptions.ParseError(), 400, "malformed-request"),
        (exceptions.ValidationError({"a": ["b"]}), 400, "validation-failed"),
        (exceptions.NotAuthenticated(), 401, "unauthenticated"),
        (exceptions.AuthenticationFailed(), 401, "unauthenticated"),
        (PermissionDenied(), 403, "forbidden"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (Http404(), 404, "not-found"),
        (exceptions.MethodNotAllowed("PATCH"), 405, "method-not-allowed"),
        (exceptions.NotAcceptable(), 406, "not-acceptable"),
        (exceptions.NotFound(), 404, "not-found"),
        (BookChanged(), 412, "version-mismatch"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported-media-type"),
    ],
)
def test_each_known_error_has_its_status_and_slug(error: Exception, status: int, slug: str) -> None:
    problem = problem_of(error, is_write=False)

    assert problem is not None
    assert (problem.status, problem.slug) == (status, slug)


@pytest.mark.parametrize("error", [KeyError("bug"), ShelfIsFull()], ids=repr)
def test_an_unknown_error_is_a_bug_and_not_a_problem(error: Exception) -> None:
    assert problem_of(error, is_write=False) is None


def test_the_members_of_a_generic_type_are_attributes_of_the_error() -> None:
    problem = problem_of(BookChanged("Somebody was quicker."), is_write=True)

    assert problem is not None
    assert (problem.detail, problem.extensions) == ("Somebody was quicker.", {"current_etag": '"7"'})


def test_the_problem_of_a_refused_method_lists_the_allowed_ones(viewer: ApiClient) -> None:
    answer = viewer.put("/procedures", {})

    assert answer.json()["type"] == "/problems/method-not-allowed"
    assert answer["Allow"] == "GET, HEAD, POST"


def test_without_a_token_the_answer_has_a_challenge(anonymous: ApiClient) -> None:
    assert anonymous.get("/procedures")["WWW-Authenticate"] == "Bearer"


def caused_by(cause: psycopg.Error) -> OperationalError:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


LOST = [OperationalError("gone"), InterfaceError("closed"), caused_by(psycopg.OperationalError("server closed"))]
ROLLED_BACK = [
    caused_by(error("rolled back"))
    for error in (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
]


@pytest.fixture(params=[True, False], ids=["may have committed", "has not committed"])
def may_have_committed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the request may have committed something, as the backend knows it."""
    monkeypatch.setattr(connection, "may_have_committed", request.param)
    return bool(request.param)


@pytest.mark.parametrize("is_write", [True, False])
@pytest.mark.parametrize("error", [*LOST, *ROLLED_BACK], ids=repr)
def test_every_failure_of_postgresql_says_when_to_try_again(
    error: OperationalError, is_write: bool, may_have_committed: bool
) -> None:
    problem = failure_of_postgresql(error, is_write=is_write)

    assert problem is not None
    assert (problem.status, problem.headers) == (503, {"Retry-After": "1"})


@pytest.mark.parametrize("error", [*LOST, *ROLLED_BACK], ids=repr)
def test_the_outcome_of_a_write_is_unknown_only_where_something_may_be_committed(
    error: OperationalError, may_have_committed: bool
) -> None:
    problem = failure_of_postgresql(error, is_write=True)

    assert problem is not None
    if may_have_committed:
        assert problem.slug == "outcome-unknown"
        assert "Idempotency-Key" in problem.detail
    else:
        assert (problem.slug, problem.detail) == ("unavailable", "Nothing was changed; try again.")


@pytest.mark.parametrize(("errors", "slug"), [(LOST, "outcome-unknown"), (ROLLED_BACK, "unavailable")])
def test_another_backend_is_not_believed_to_have_committed_nothing(
    errors: list[OperationalError], slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_answers, "connection", object())

    assert {getattr(failure_of_postgresql(error, is_write=True), "slug", None) for error in errors} == {slug}


@pytest.mark.parametrize("is_write", [True, False])
@pytest.mark.parametrize("error", [psycopg.errors.UndefinedTable, psycopg.errors.CheckViolation], ids=repr)
def test_what_no_repetition_would_help_is_a_bug(error: type[psycopg.Error], is_write: bool) -> None:
    assert failure_of_postgresql(caused_by(error("wrong")), is_write=is_write) is None


@pytest.mark.django_db
@pytest.mark.parametrize("is_write", [True, False])
def test_a_text_that_no_server_would_take_is_a_bug_and_no_outage(is_write: bool) -> None:
    with pytest.raises(DataError) as refusal:
        User.objects.filter(username="a\x00b").exists()

    assert failure_of_postgresql(refusal.value, is_write=is_write) is None


@pytest.mark.parametrize("error", [*LOST, *ROLLED_BACK], ids=repr)
def test_a_failed_read_is_only_asked_to_try_again(error: OperationalError, may_have_committed: bool) -> None:
    problem = failure_of_postgresql(error, is_write=False)

    assert problem is not None
    assert (problem.slug, problem.detail) == ("unavailable", "Try again.")


def test_an_unknown_path_is_a_problem(anonymous: ApiClient) -> None:
    answer = anonymous.get("/nowhere")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "instance": "/nowhere",
        "request_id": answer["X-Request-ID"],
    }


def test_a_wrong_host_is_a_problem(anonymous: ApiClient) -> None:
    answer = anonymous.get("/procedures", headers={"host": "evil.example"})

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/malformed-request"


@pytest.mark.parametrize(
    "path",
    [
        "/procedures/",
        "/procedures/abc%0A",
        "/procedures/%00",
        "/procedures/%ff",
        "/procedures/%ED%A0%80",
        "/procedures/..%2F..%2Fetc%2Fpasswd",
        "/procedures/a%20b",
        "/procedures/gr%C3%B6sse",
        "/procedures/gibson/revisions/0x1",
        "/procedures/gibson/revisions/-1",
        "/procedures/gibson/revisions/" + "9" * 5000,
        "/runs/1",
        "/runs/not-a-uuid",
        "/runs/%00",
        "/runs/urn:uuid:019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11",
        "/runs/019AA7F2-6C1E-7D3A-9B1F-2F5E8F0A1C11",
        "/runs/019aa7f26c1e7d3a9b1f2f5e8f0a1c11",
        "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11%0A",
    ],
)
def test_a_path_that_no_route_matches_is_not_found_without_sql(
    viewer: ApiClient, path: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        answer = viewer.get(path)

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-found"
