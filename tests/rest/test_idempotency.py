"""The identity of a request: the header Idempotency-Key is read as it is documented."""

import json
import re

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from procedures_project import documentation
from rest.idempotency import UNKEYED, identity_of
from rest.json_bodies import ExactJSONParser
from rest.problems import MALFORMED_REQUEST

KEYS = ["k", "two words", "!", "~", 'k"', '"k"', '" "', '"""', "x" * 255, '"' + "x" * 255 + '"']
NO_KEYS = ["", '"', '""', '"k', "x" * 256, '"' + "x" * 256 + '"', "ké", "k\x7f", "\x1f", "\xa0k"]


def request(key: str | None, body: str = "{}", path: str = "/runs") -> Request:
    headers = {} if key is None else {"Idempotency-Key": key}
    plain = RequestFactory().post(path, body, "application/json", headers=headers)
    return Request(plain, parsers=[ExactJSONParser()])


def documented_pattern() -> str:
    document = json.loads(documentation.document())
    parameters = document["paths"]["/runs"]["post"]["parameters"]
    (pattern,) = [parameter["schema"]["pattern"] for parameter in parameters if parameter["name"] == "Idempotency-Key"]
    return str(pattern)


def test_a_request_without_a_key_is_unkeyed() -> None:
    assert identity_of(request(None)) is UNKEYED


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_printable_bare_or_in_quotes(key: str) -> None:
    assert identity_of(request(key)).key


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(MALFORMED_REQUEST):
        identity_of(request(key))


@pytest.mark.parametrize("key", KEYS)
def test_an_accepted_key_matches_the_documented_pattern(key: str) -> None:
    assert re.search(documented_pattern(), key)


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_refused_key_does_not_match_the_documented_pattern(key: str) -> None:
    assert not re.search(documented_pattern(), key)


def test_a_key_is_the_same_with_quotes_and_without() -> None:
    assert identity_of(request('"k"')) == identity_of(request("k"))


def test_the_order_of_members_does_not_make_another_request() -> None:
    one = identity_of(request("k", '{"a": 1, "b": 2}'))

    assert identity_of(request("k", '{"b": 2, "a": 1}')) == one


@pytest.mark.parametrize(
    ("body", "path"), [('{"a": 2}', "/runs"), ('{"a": 1.0}', "/runs"), ('{"a": 1}', "/procedures")]
)
def test_another_body_or_path_makes_another_request(body: str, path: str) -> None:
    assert identity_of(request("k", body, path)) != identity_of(request("k", '{"a": 1}'))
