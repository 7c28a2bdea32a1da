"""Where a finding points, and how nested errors become a list of them."""

import pytest
from rest_framework.exceptions import ErrorDetail

from rest.findings import Finding, findings_of, pointer


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), ""),
        (("steps", 0, "key"), "/steps/0/key"),
        (("a/b", "m~n"), "/a~1b/m~0n"),
        (("~1",), "/~01"),
        (("",), "/"),
    ],
)
def test_a_pointer_is_written_as_rfc_6901_says(parts: tuple[str | int, ...], expected: str) -> None:
    assert pointer(*parts) == expected


def test_nested_errors_keep_their_places_and_codes() -> None:
    errors = {
        "title": [ErrorDetail("Too long.", code="max_length")],
        "steps": [{}, {"slots": [{"min": [ErrorDetail("No.", code="type"), ErrorDetail("Nor that.", code="other")]}]}],
        "tags": {2: [ErrorDetail("Bad.", code="slug")]},
    }

    assert findings_of(errors) == [
        Finding("/title", "max_length", "Too long."),
        Finding("/steps/1/slots/0/min", "type", "No."),
        Finding("/steps/1/slots/0/min", "other", "Nor that."),
        Finding("/tags/2", "slug", "Bad."),
    ]


def test_an_error_about_a_whole_object_points_at_the_object() -> None:
    errors = {"steps": {"non_field_errors": [ErrorDetail("Empty.", code="empty")]}}

    assert findings_of(errors) == [Finding("/steps", "empty", "Empty.")]


def test_an_unknown_member_is_pointed_at_even_if_it_has_the_name_of_the_whole_object() -> None:
    errors = {"non_field_errors": [ErrorDetail("Unknown member.", code="unknown")]}

    assert findings_of(errors) == [Finding("/non_field_errors", "unknown", "Unknown member.")]


def test_an_error_without_a_code_is_called_invalid() -> None:
    assert findings_of({"key": ["No."]}) == [Finding("/key", "invalid", "No.")]


def test_no_errors_are_no_findings() -> None:
    assert findings_of({"steps": [{}, {}]}) == []


def test_anything_but_errors_is_a_bug() -> None:
    with pytest.raises(TypeError, match="Not serializer errors"):
        findings_of({"key": 1})
