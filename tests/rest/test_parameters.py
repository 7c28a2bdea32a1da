"""Query parameters: an endpoint takes those it declares, each at most once."""

from collections.abc import Callable

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from rest.parameters import NoParameters, NumberField, Parameters, number_in, parameters_of
from rest.problems import MALFORMED_REQUEST, UNKNOWN_PARAMETER
from tests.conftest import ApiClient


class Paging(Parameters):
    """Two parameters."""

    limit = NumberField(min_value=1, default=50)
    tag = serializers.CharField(required=False)


def request(query: str) -> Request:
    return Request(APIRequestFactory().get(f"/somewhere?{query}"))


def test_declared_parameters_are_converted_from_text() -> None:
    assert parameters_of(request("limit=7&tag=lab"), Paging) == {"limit": 7, "tag": "lab"}


def test_absent_parameters_have_their_defaults() -> None:
    assert parameters_of(request(""), Paging) == {"limit": 50}


def test_an_unknown_parameter_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UNKNOWN_PARAMETER) as refusal:
        parameters_of(request("limti=7"), Paging)

    assert refusal.value.extensions == {"parameter": "limti", "known": ["limit", "tag"]}


def test_an_endpoint_without_parameters_refuses_any() -> None:
    with pytest.raises(UNKNOWN_PARAMETER):
        parameters_of(request("_=1795424047"), NoParameters)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(MALFORMED_REQUEST, match="'limit' is given 2 times"):
        parameters_of(request("limit=7&limit=7"), Paging)


@pytest.mark.parametrize(
    "limit", ["0", "", "-1", "1.0", "1_0", "1e1", "%2B5", "+5", "%205", "5%20", "5%0A", "%D9%A5", "\u0665", "9" * 2_000]
)
def test_a_number_is_written_in_plain_digits(limit: str) -> None:
    with pytest.raises(ValidationError):
        parameters_of(request(f"limit={limit}"), Paging)


@pytest.mark.parametrize("path", ["/runs?external_ref=%ff", "/procedures?tag=%C3", "/procedures?q=a%ED%A0%80"])
def test_bytes_that_are_no_text_are_refused_and_not_replaced(viewer: ApiClient, path: str) -> None:
    answer = viewer.get(path)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-request")
    assert answer.json()["detail"] == "The query is not UTF-8."


@pytest.mark.parametrize(
    "write", [str.upper, "{{{}}}".format, "urn:uuid:{}".format, lambda text: text.replace("-", "")]
)
def test_a_cursor_is_taken_only_as_it_was_given(viewer: ApiClient, write: Callable[[str], str]) -> None:
    cursor = "01a2180e-27f9-7cd7-8721-8c3af0cd9ef3"

    assert viewer.get(f"/runs?cursor={cursor}").status_code == 200
    assert viewer.get("/runs", {"cursor": write(cursor)}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/procedures", "/procedures/gibson", "/procedures/gibson/revisions/1", "/procedures/gibson/revisions"]
)
@pytest.mark.parametrize("query", ["sort=key", "format=json", "format=xml", "key__startswith=a", "=", "%00=1", "%ff=1"])
def test_every_endpoint_refuses_an_unknown_parameter(viewer: ApiClient, path: str, query: str) -> None:
    answer = viewer.get(f"{path}?{query}")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unknown-parameter"


def test_a_write_refuses_an_unknown_parameter(author: ApiClient) -> None:
    answer = author.post("/procedures?dry_run=1", {})

    assert answer.json()["type"] == "/problems/unknown-parameter"
    assert answer.json()["parameter"] == "dry_run"
    assert answer.json()["known"] == []


def test_thousands_of_parameters_are_refused(viewer: ApiClient) -> None:
    answer = viewer.get("/runs?" + "&".join(f"a{number}=1" for number in range(5000)))

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("9" * 5_000, None),
        ("\u0661", None),
        ("+1", None),
    ],
)
def test_a_number_in_a_text_is_one_in_plain_digits_that_postgresql_can_store(text: str, number: int | None) -> None:
    assert number_in(text) == number
