"""Bodies that are refused before their content matters, at an endpoint that would otherwise accept them."""

import gzip
import json
from typing import Any

import pytest
from django.conf import settings

from tests.answers import problem
from tests.conftest import ApiClient
from tests.factories import body, publish, step

JSON = "application/json"


def posted(client: ApiClient, content: bytes, content_type: str = JSON, **headers: str) -> Any:
    return client.generic("POST", "/procedures", content, content_type, headers=headers)


def with_title(title: str) -> bytes:
    """A body that is right except for its title, which is given as JSON text."""
    return b'{"key":"gibson","title":' + title.encode() + b',"steps":[{"key":"a","title":"A"}]}'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(with_title('"a\\u0000b"'), id="NUL in a text"),
        pytest.param(b'{"a\\u0000b":1}', id="NUL in a name"),
        pytest.param(with_title('"\\ud800"'), id="lone surrogate in a text"),
        pytest.param(b'{"\\udfff":1}', id="lone surrogate in a name"),
        pytest.param(with_title('"\\udc00\\ud800"'), id="surrogates in the wrong order"),
        pytest.param(b'{"key":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"key":"\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param('{"key":"gibson"}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"key":"gibson"}'.encode("utf-16-le"), id="UTF-16 without BOM"),
        pytest.param('{"key":"gibson"}'.encode("utf-8-sig"), id="BOM"),
        pytest.param(b'{"key":' + b"[" * 60_000, id="60,000 deep, open"),
        pytest.param(b'{"key":' + b"[" * 30_000 + b"]" * 30_000 + b"}", id="30,000 deep"),
        pytest.param(b'{"key":' + b"[" * 32 + b"]" * 32 + b"}", id="33 deep"),
        pytest.param(with_title("NaN"), id="NaN"),
        pytest.param(with_title("-Infinity"), id="Infinity"),
        pytest.param(with_title("1e999"), id="1e999"),
        pytest.param(with_title("1" + "0" * 30), id="10^30"),
        pytest.param(with_title("9007199254740992"), id="2^53"),
        pytest.param(with_title("9" * 4000), id="4,000 digits"),
        pytest.param(with_title("9" * 5000), id="5,000 digits"),
        pytest.param(b'{"key":"a","key":"b"}', id="name twice"),
        pytest.param(b'{"steps":[{"key":"a","key":"a"}]}', id="name twice, deeper"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"12", id="number"),
        pytest.param(b"true", id="boolean"),
        pytest.param(b" ", id="blank"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"{'key':'a'}", id="single quotes"),
        pytest.param(b'{"key":"a"}{}', id="two objects"),
        pytest.param(b'{"key":"a",}', id="trailing comma"),
        pytest.param(b'{"key":"a\n"}', id="bare newline in a text"),
    ],
)
def test_a_body_that_is_not_an_exact_json_object_is_malformed(author: ApiClient, content: bytes) -> None:
    answer = posted(author, content)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/malformed-request"
    assert answer.json()["detail"]


def test_an_empty_body_is_an_object_without_members(author: ApiClient) -> None:
    answer = posted(author, b"")

    assert answer.status_code == 400
    assert {error["code"] for error in answer.json()["errors"]} == {"required"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/runs"), ("GET", "/procedures"), ("DELETE", "/procedures/gibson")]
)
def test_a_body_that_nobody_reads_is_refused(author: ApiClient, method: str, path: str) -> None:
    publish(body("gibson"))

    answer = author.generic(method, path, b'{"reason": "Old."}', JSON, headers={"If-Match": "*"})

    assert problem(answer) == (400, "malformed-request")
    assert answer.json()["detail"] == "This operation has no body."
    assert author.get("/procedures/gibson").json()["status"] == "active"


def test_an_empty_object_is_as_good_as_no_body(author: ApiClient) -> None:
    publish(body("gibson"))

    answer = author.generic("DELETE", "/procedures/gibson", b"{}", JSON, headers={"If-Match": "*"})

    assert answer.json()["status"] == "archived"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/*",
        "*/*",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/merge-patch+json",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=bogus",
        "application/json; charset=bz2_codec",
        ";;;=x",
        "json",
    ],
)
def test_a_body_of_another_media_type_or_charset_is_unsupported(author: ApiClient, content_type: str) -> None:
    answer = posted(author, json.dumps(body()).encode(), content_type)

    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"'])
def test_json_in_utf_8_is_read(author: ApiClient, content_type: str) -> None:
    answer = posted(author, json.dumps(body(title="Größe 🧪"), ensure_ascii=False).encode(), content_type)

    assert answer.status_code == 201
    assert answer.json()["title"] == "Größe 🧪"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "gzip, identity"])
def test_a_coded_body_is_unsupported(author: ApiClient, coding: str) -> None:
    answer = posted(author, gzip.compress(b"{}"), content_encoding=coding)

    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"


def test_the_coding_identity_means_that_there_is_none(author: ApiClient) -> None:
    answer = posted(author, json.dumps(body()).encode(), content_encoding="identity")

    assert answer.status_code == 201


def test_a_body_of_exactly_the_limit_is_read(author: ApiClient) -> None:
    content = json.dumps(body()).encode()

    answer = posted(author, content.ljust(settings.MAX_BODY_BYTES))

    assert answer.status_code == 201


@pytest.mark.parametrize("size", [settings.MAX_BODY_BYTES + 1, 5 * 1024 * 1024])
def test_a_larger_body_is_too_large(author: ApiClient, size: int) -> None:
    content = json.dumps(body()).encode()

    answer = posted(author, content.ljust(size))

    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/payload-too-large"
    assert answer.json()["limit_bytes"] == 65_536


def test_numbers_reach_storage_and_come_back_digit_for_digit(author: ApiClient) -> None:
    slots = b'[{"key":"mass","label":"Mass","type":"decimal","min":0.10,"max":12.500}]'
    content = b'{"key":"gibson","title":"G","steps":[{"key":"a","title":"A","slots":' + slots + b"}]}"

    answer = posted(author, content)

    assert b'"min":0.10,' in answer.content
    assert b'"max":12.500' in answer.content


def test_a_string_is_stored_exactly_as_sent(author: ApiClient) -> None:
    title = "  a\u00a0\tb\u2028 é e\u0301 "

    answer = author.post("/procedures", body(steps=[step(title=title)]))

    assert answer.json()["steps"][0]["title"] == title
