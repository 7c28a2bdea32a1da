"""Which requests the fast path recognises: plain ones, of known senders, to view sets with the usual rules."""

from typing import Any

import pytest
from rest_framework.throttling import UserRateThrottle

from procedures import caches
from procedures.views import ProcedureViewSet, RevisionViewSet
from rest.json_bodies import CSVRenderer
from versioned_cache.http.fast_path import cached_read_of, is_plain


def test_a_cached_read_under_the_usual_rules_is_on_the_fast_path() -> None:
    view = ProcedureViewSet.as_view({"get": "list", "post": "create"})

    assert cached_read_of(view) is caches.read_procedure_list


@pytest.mark.parametrize("actions", [{"post": "create"}, {"get": "other"}])
def test_an_action_that_is_not_a_cached_read_is_not(actions: dict[str, Any]) -> None:
    class WithAnother(ProcedureViewSet):
        def other(self) -> None:
            """Answer something else."""

    assert cached_read_of(WithAnother.as_view(actions)) is None


@pytest.mark.parametrize("view", [RevisionViewSet.as_view({"get": "list"}), lambda request: None])
def test_a_view_without_cached_reads_is_not(view: Any) -> None:
    assert cached_read_of(view) is None


@pytest.mark.parametrize(
    "rules",
    [
        {"throttle_classes": [UserRateThrottle]},
        {"permission_classes": []},
        {"authentication_classes": []},
        {"renderer_classes": [CSVRenderer]},
    ],
)
def test_a_view_with_rules_of_its_own_is_not(rules: dict[str, Any]) -> None:
    assert cached_read_of(ProcedureViewSet.as_view({"get": "list"}, **rules)) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", [{}, {"HTTP_ACCEPT": "*/*"}, {"HTTP_ACCEPT": "application/json"}])
@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_a_request_for_nothing_but_the_body_is_plain(
    method: str, accept: dict[str, str], length: dict[str, str]
) -> None:
    assert is_plain({"REQUEST_METHOD": method, "QUERY_STRING": "", **accept, **length})


@pytest.mark.parametrize(
    "unusual",
    [
        {"REQUEST_METHOD": "POST"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"QUERY_STRING": "q=x"},
        {"HTTP_ACCEPT": "text/html"},
        {"HTTP_ACCEPT": "application/json;q=0.5, text/html"},
        {"CONTENT_LENGTH": "2"},
    ],
)
def test_whatever_else_is_asked_is_not_plain(unusual: dict[str, str]) -> None:
    assert not is_plain({"REQUEST_METHOD": "GET", **unusual})
