"""The WSGI application: it reads chunked bodies, which Django alone treats as empty."""

import io
import json
from typing import Any

import pytest
from django.conf import settings

from procedures_project.wsgi import with_chunked_bodies
from tests.conftest import ApiClient
from tests.factories import body


def _start_response(*_arguments: Any) -> Any:
    """Receive the head of an answer, which these tests do not look at."""


def environ(content: bytes, **variables: str) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(content), **variables}


def received(sent: dict[str, Any]) -> tuple[str | None, bytes]:
    """What an application behind the wrapper sees: the length, and as much of the body as the length says."""
    seen: list[dict[str, Any]] = []

    def inner(inner_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        seen.append(inner_environ)
        return []

    with_chunked_bodies(inner)(sent, _start_response)
    length = seen[0].get("CONTENT_LENGTH")
    return length, seen[0]["wsgi.input"].read(int(length or 0))


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, chunked"])
@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}])
def test_a_chunked_body_gets_its_length(coding: str, length: dict[str, str]) -> None:
    assert received(environ(b'{"a":1}', HTTP_TRANSFER_ENCODING=coding, **length)) == ("7", b'{"a":1}')


def test_a_body_with_a_length_is_left_alone() -> None:
    assert received(environ(b"abcdef", CONTENT_LENGTH="3")) == ("3", b"abc")


def test_a_length_counts_although_the_body_is_said_to_be_chunked() -> None:
    assert received(environ(b"abcdef", CONTENT_LENGTH="3", HTTP_TRANSFER_ENCODING="chunked")) == ("3", b"abc")


def test_a_request_without_a_body_stays_without() -> None:
    assert received(environ(b"")) == (None, b"")


def test_of_an_endless_body_one_byte_more_than_the_limit_is_read() -> None:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    sent = environ(b"x" * (limit + 1000), HTTP_TRANSFER_ENCODING="chunked")
    stream = sent["wsgi.input"]

    length, _ = received(sent)

    assert length == str(limit + 1)
    assert stream.tell() == limit + 1


@pytest.fixture
def chunking_author(author: ApiClient, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """An author whose requests reach Django through the wrapper."""
    handler = author.handler
    wrapped = with_chunked_bodies(lambda environ, _start: handler(environ))
    monkeypatch.setattr(author, "handler", lambda environ: wrapped(environ, _start_response))
    return author


def posted(client: ApiClient, content: bytes) -> Any:
    """POST as a server passes a chunked body on: without a length."""
    sent: dict[str, Any] = {
        "wsgi.input": io.BytesIO(content),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "",
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    return client.generic("POST", "/procedures", **sent)


def test_a_chunked_body_reaches_the_api(chunking_author: ApiClient) -> None:
    answer = posted(chunking_author, json.dumps(body()).encode())

    assert answer.status_code == 201
    assert answer.json()["key"] == "gibson"


@pytest.mark.parametrize("size", [settings.MAX_BODY_BYTES + 1, settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 10])
def test_a_chunked_body_that_is_too_large_is_refused(chunking_author: ApiClient, size: int) -> None:
    answer = posted(chunking_author, json.dumps(body()).encode().ljust(size))

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/payload-too-large"
