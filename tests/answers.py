"""Checks of the API's answers, whether Django's test client or httpx received them."""

from typing import Any


def problem(answer: Any) -> tuple[int, str]:
    """Return the status and the slug of an answer, which must be problem details."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def findings(answer: Any) -> list[tuple[str, str]]:
    """Return the pointers and the codes of an answer's findings; it must say that the body is invalid."""
    assert problem(answer) == (400, "validation-failed")
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def assert_repeated(again: Any, first: Any) -> None:
    """Assert that an answer repeats that of a request that was carried out before."""
    assert first.status_code in {200, 201}
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("ETag", "Location", "Content-Type", "Cache-Control"):
        assert again.headers.get(header) == first.headers.get(header)


def assert_reused(answer: Any) -> None:
    """Assert that a request was refused because its key belongs to another one."""
    assert problem(answer) == (422, "idempotency-key-reused")
