"""What tests read out of an answer, of Django's client or of httpx."""

from typing import Any


def problem(answer: Any) -> tuple[int, str]:
    """Return the status and the slug of an answer that is a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def findings(answer: Any) -> list[tuple[str, str]]:
    """Return the pointer and the code of each finding of an answer that validation failed."""
    assert problem(answer) == (400, "validation-failed")
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def assert_repeated(again: Any, first: Any) -> None:
    """Assert that an answer repeats the one that the first such request, which succeeded, was given."""
    assert first.status_code in {200, 201}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)


def assert_reused(answer: Any) -> None:
    """Assert that an answer refuses a key that belongs to another request."""
    assert problem(answer) == (422, "idempotency-key-reused")
