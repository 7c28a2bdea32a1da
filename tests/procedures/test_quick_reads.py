"""Which views say of themselves that plain reads may be answered ahead of them, and what is plain."""

from typing import Any

import pytest
from rest_framework.throttling import UserRateThrottle

from procedures import caches
from procedures.quick_reads import is_plain, quick_read, quick_read_of
from procedures.views import ProcedureViewSet
from rest.renderers import CSVRenderer


def test_a_view_with_the_usual_rules_may_be_read_quickly() -> None:
    view = quick_read(ProcedureViewSet.as_view({"get": "list"}), caches.read_procedure_list)

    read = quick_read_of(view)
    assert read is not None
    assert (read.cached_read, read.right) == (caches.read_procedure_list, ProcedureViewSet.read_right)


@pytest.mark.parametrize(
    "rules",
    [
        {"throttle_classes": [UserRateThrottle]},
        {"permission_classes": []},
        {"authentication_classes": []},
        {"renderer_classes": [CSVRenderer]},
    ],
)
def test_a_view_with_rules_of_its_own_is_never_read_quickly(rules: dict[str, Any]) -> None:
    view = quick_read(ProcedureViewSet.as_view({"get": "list"}, **rules), caches.read_procedure_list)

    assert quick_read_of(view) is None


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
