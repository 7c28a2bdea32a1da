"""What every API view refuses, and in which order."""

import pytest

from tests.conftest import ApiClient
from tests.factories import body

NOBODY = "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11"


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "FOO", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("path", ["/procedures", "/procedures/gibson", "/runs", NOBODY, f"{NOBODY}/steps/a/commit"])
def test_a_method_that_an_endpoint_lacks_is_not_allowed(operator: ApiClient, method: str, path: str) -> None:
    answer = operator.generic(method, path)

    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/procedures", {"GET", "HEAD", "POST"}),
        ("/procedures/gibson", {"GET", "HEAD", "PUT", "DELETE"}),
        ("/procedures/gibson/revisions", {"GET", "HEAD"}),
        ("/runs", {"GET", "HEAD", "POST"}),
        (NOBODY, {"GET", "HEAD"}),
        (f"{NOBODY}/steps/a/commit", {"POST"}),
    ],
)
def test_the_answer_to_a_refused_method_lists_the_allowed_ones(
    operator: ApiClient, path: str, allowed: set[str]
) -> None:
    answer = operator.generic("PATCH", path)

    assert set(answer["Allow"].split(", ")) == allowed


def test_a_method_override_header_is_ignored(author: ApiClient) -> None:
    answer = author.post("/procedures", body(), headers={"X-HTTP-Method-Override": "DELETE"})

    assert answer.status_code == 201


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/*"])
@pytest.mark.parametrize("path", ["/procedures", "/runs", NOBODY])
def test_an_answer_that_the_client_does_not_accept_is_refused(viewer: ApiClient, accept: str, path: str) -> None:
    answer = viewer.get(path, headers={"accept": accept})

    assert answer.status_code == 406
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-acceptable"


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.5"])
def test_any_way_to_accept_json_is_understood(viewer: ApiClient, accept: str) -> None:
    answer = viewer.get("/procedures", headers={"accept": accept})

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PATCH", "/procedures", b""),
        ("GET", "/procedures?unknown=1", b""),
        ("POST", "/procedures", b"{"),
        ("GET", NOBODY, b""),
        ("POST", f"{NOBODY}/steps/a/commit", b""),
    ],
)
def test_without_a_token_a_client_learns_nothing(anonymous: ApiClient, method: str, path: str, content: bytes) -> None:
    answer = anonymous.generic(method, path, content, "application/json", headers={"accept": "application/xml"})

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/unauthenticated"


def test_the_method_comes_before_the_accepted_types(operator: ApiClient) -> None:
    answer = operator.generic("PATCH", "/runs", headers={"accept": "application/xml"})

    assert answer.status_code == 405


def test_the_accepted_types_come_before_the_body(operator: ApiClient) -> None:
    answer = operator.post("/runs", "{", headers={"accept": "application/xml"})

    assert answer.status_code == 406


def test_the_body_comes_before_the_parameters(operator: ApiClient) -> None:
    answer = operator.post("/runs?unknown=1", "{")

    assert answer.json()["type"] == "/problems/malformed-request"


def test_the_parameters_come_before_existence(operator: ApiClient) -> None:
    answer = operator.post(f"{NOBODY}/steps/a/commit?unknown=1")

    assert answer.json()["type"] == "/problems/unknown-parameter"


def test_the_body_comes_before_existence(operator: ApiClient) -> None:
    answer = operator.post(f"{NOBODY}/steps/a/commit", "[]")

    assert answer.json()["type"] == "/problems/malformed-request"


@pytest.mark.django_db(transaction=True)  # the list of runs takes a snapshot of its own
@pytest.mark.parametrize("path", ["/procedures", "/runs"])
def test_head_answers_like_get_without_a_body(viewer: ApiClient, path: str) -> None:
    got = viewer.get(path)

    answer = viewer.head(path)

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer["Content-Length"] == str(len(got.content))


@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=-1", "junk"])
def test_a_range_is_ignored(viewer: ApiClient, value: str) -> None:
    answer = viewer.get("/procedures", headers={"range": value})

    assert answer.status_code == 200
