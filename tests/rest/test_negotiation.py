"""Which representation a client is sent, by its Accept header."""

import pytest

from rest.negotiation import preferred_type
from tests.answers import problem
from tests.conftest import ApiClient

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        (None, JSON),
        ("", JSON),
        (" , ,", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/json;q=0.001", JSON),
        ("text/csv, */*;q=0.1", CSV),
        ("application/json;q=0.5, text/csv", CSV),
        ("text/*;q=0.9, text/csv;q=0.1, application/json;q=0.5", JSON),
        ("application/json;q=0, */*", CSV),
        ("application/json;q=0", None),
        ("application/json;q=0, text/csv;q=0.000", None),
        ("*/*;q=0", None),
        ("application/json" + ";a=b" * 100, None),
        ("text/csv" + ";a=b" * 100 + ", application/json;q=0.1", JSON),
        ("*/*, application/*;q=0, text/*;q=0", None),
        ("text/html", None),
        ("json", None),
        ("*", None),
        ("*/json", None),
        (";;;q=, /", None),
        ("application/json;q=nonsense", JSON),
        ("application/json; a*=bogus''b", None),
        ("application/json; a*=idna''b%ff, text/csv", CSV),
        ("text/html, image/gif, *; q=.2, */*; q=.2", JSON),
        ("text/html," * 5_000 + JSON, None),  # what stands there is bounded
    ],
)
def test_weights_count_and_zero_excludes(accept: str | None, preferred: str | None) -> None:
    assert preferred_type(accept, [JSON, CSV]) == preferred


@pytest.mark.parametrize(
    ("accept", "status"), [("", 200), ("application/json;q=0", 406), ("application/json;q=0, */*", 406)]
)
def test_the_api_sends_no_json_to_whoever_excludes_it(viewer: ApiClient, accept: str, status: int) -> None:
    assert viewer.get("/procedures", headers={"Accept": accept}).status_code == status


def test_the_refusal_is_a_document_all_the_same(viewer: ApiClient) -> None:
    assert problem(viewer.get("/procedures", headers={"Accept": "*/*;q=0"})) == (406, "not-acceptable")
