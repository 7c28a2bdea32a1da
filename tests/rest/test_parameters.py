"""Query parameters: an endpoint takes those it declares, each at most once."""

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from rest.parameters import NoParameters, Parameters, parameters_of
from rest.problems import MALFORMED_REQUEST, UNKNOWN_PARAMETER
from tests.conftest import ApiClient


class Paging(Parameters):
    """Two parameters."""

    limit = serializers.IntegerField(min_value=1, default=50)
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


def test_a_parameter_with_a_wrong_value_is_refused() -> None:
    with pytest.raises(ValidationError):
        parameters_of(request("limit=0"), Paging)


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
