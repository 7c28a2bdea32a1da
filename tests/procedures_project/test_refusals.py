"""Problems outside of REST framework: documents for programs, pages for browsers."""

from typing import Any

import pytest
from django.core.exceptions import BadRequest, TooManyFieldsSent
from django.db import OperationalError, connection
from django.http.multipartparser import MultiPartParserError
from django.test import Client, RequestFactory

from procedures_project import refusals
from rest import exact_json
from rest.problems import FORBIDDEN
from tests.answers import problem
from tests.conftest import ApiClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(("method", "slug"), [("GET", "unavailable"), ("POST", "outcome-unknown")])
def test_a_failure_of_postgresql_on_a_page_is_not_a_bug(
    method: str, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "may_have_committed", True)

    def fail() -> None:
        raise OperationalError("the server has gone")

    try:
        fail()
    except OperationalError:
        answer = refusals.server_error(RequestFactory().generic(method, "/admin/login/"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert f'"type":"/problems/{slug}"'.encode() in answer.content


@pytest.mark.parametrize(
    ("handler", "status", "slug"),
    [
        (refusals.bad_request, 400, "malformed-request"),
        (refusals.permission_denied, 403, "forbidden"),
        (refusals.page_not_found, 404, "not-found"),
        (refusals.server_error, 500, "internal-error"),
    ],
)
def test_django_answers_its_own_errors_as_problems(handler: Any, status: int, slug: str) -> None:
    answer = handler(RequestFactory().get("/somewhere"))

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert f'"type":"/problems/{slug}"'.encode() in answer.content
    assert b'"instance":"/somewhere"' in answer.content


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (BadRequest("'x' is no line of the list."), "'x' is no line of the list."),
        (MultiPartParserError("Invalid boundary in multipart: None"), "Invalid boundary in multipart: None"),
        (TooManyFieldsSent("The number of GET/POST parameters exceeded."), "A form has at most 4000 fields."),
    ],
)
def test_what_is_wrong_with_a_form_is_told_in_words(fault: Exception, told: str) -> None:
    answer = refusals.bad_request(RequestFactory().get("/somewhere"), fault)

    assert exact_json.loads(answer.content.decode())["detail"] == told  # type: ignore[index,call-overload]


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json;q=0.5, text/html"])
def test_a_browser_gets_a_page(anonymous: ApiClient, accept: str) -> None:
    answer = anonymous.get("/no/such/page", headers={"Accept": accept})

    assert answer.status_code == 404
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert "Not found" in answer.content.decode()
    assert answer["X-Request-ID"] in answer.content.decode()


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/json", "text/csv", "text/html, application/json", "?"]
)
def test_a_program_gets_a_document(anonymous: ApiClient, accept: str | None) -> None:
    answer = anonymous.get("/no/such/page", headers={} if accept is None else {"Accept": accept})

    assert problem(answer) == (404, "not-found")
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_what_a_problem_says_is_text_on_its_page() -> None:
    meta = RequestFactory().get("/", headers={"Accept": BROWSER}).META

    answer = refusals.refusal(FORBIDDEN("<script>alert(1)</script>"), meta)

    assert b"<script>" not in answer.content
    assert b"&lt;script&gt;" in answer.content


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/no/%E2%82%AC", b"/no/%E2%82%AC"),
        ("/no/%FF", b"/no/%25FF"),  # as Django tells it; behind the gate it is as it was sent
        ("/no/a%20b%3C", b"/no/a%20b%3C"),
    ],
)
def test_a_problem_tells_the_path_of_its_request(anonymous: ApiClient, path: str, instance: bytes) -> None:
    assert b'"instance":"%s"' % instance in anonymous.get(path).content


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/logout/"])
def test_a_form_that_is_not_ours_is_refused_in_the_form_that_suits_the_client(db: None, path: str) -> None:
    client = Client(enforce_csrf_checks=True)

    document = client.post(path)
    page = client.post(path, headers={"Accept": BROWSER})

    assert problem(document) == (403, "forbidden")
    assert (page.status_code, page["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Load its page again" in page.content.decode()


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/", "/admin", "/favicon.ico"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_what_can_only_be_read_says_so(db: None, path: str, method: str) -> None:
    answer: Any = Client(enforce_csrf_checks=True).generic(method, path)

    assert problem(answer) == (405, "method-not-allowed")
    assert answer["Allow"] == "GET, HEAD"
