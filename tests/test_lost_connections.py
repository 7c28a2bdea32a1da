"""The connection to PostgreSQL is lost at COMMIT: the outcome is unknown, and it is still safe to repeat the write."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.roles import Role
from runs.models import Run
from tests.conftest import ApiClient
from tests.factories import body, start

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "b0f4c9e2"}


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A run, committed."""
    return start(person(Role.OPERATOR))


@pytest.fixture
def lose_next_commit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lose the connection at the next COMMIT, before PostgreSQL receives it or before the client gets the answer."""

    def lose(*, is_done: bool) -> None:
        commit = psycopg.Connection.commit

        def lost(self: psycopg.Connection[Any]) -> None:
            monkeypatch.setattr(psycopg.Connection, "commit", commit)
            if is_done:
                commit(self)
            self.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(psycopg.Connection, "commit", lost)

    yield lose
    connection.close()


def assert_unknown(answer: Any) -> None:
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/outcome-unknown")
    assert int(answer["Retry-After"]) >= 1


@pytest.mark.parametrize("is_done", [True, False], ids=["after COMMIT", "before COMMIT"])
def test_a_commit_whose_outcome_is_unknown_is_done_once_when_it_is_repeated(
    operator: ApiClient, run: Run, lose_next_commit: Callable[..., None], is_done: bool
) -> None:
    path = f"/runs/{run.pk}/steps/measure/commit"
    lose_next_commit(is_done=is_done)

    assert_unknown(operator.post(path, headers=KEY))

    again = operator.post(path, headers=KEY)
    assert again.status_code == 201
    assert ("Idempotent-Replayed" in again) is is_done
    assert list(run.events.values_list("seq", flat=True)) == [1, 2]


@pytest.mark.parametrize("is_done", [True, False], ids=["after COMMIT", "before COMMIT"])
def test_a_creation_whose_outcome_is_unknown_is_done_once_when_it_is_repeated(
    author: ApiClient, lose_next_commit: Callable[..., None], is_done: bool
) -> None:
    lose_next_commit(is_done=is_done)

    assert_unknown(author.post("/procedures", body(), headers=KEY))

    again = author.post("/procedures", body(), headers=KEY)
    assert again.status_code == 201
    assert ("Idempotent-Replayed" in again) is is_done


def test_a_read_whose_connection_is_lost_is_only_asked_to_try_again(
    viewer: ApiClient, run: Run, lose_next_commit: Callable[..., None]
) -> None:
    lose_next_commit(is_done=True)

    answer = viewer.get(f"/runs/{run.pk}/current")

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert answer.json()["detail"] == "Try again."


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/procedures", body("lockout")),
        ("PUT", "/procedures/gibson", body(title="Better")),
        ("DELETE", "/procedures/gibson", {}),
        ("POST", "/runs", {"procedure": "gibson"}),
        ("POST", "/runs/{run}/steps/measure/commit", {}),
        ("POST", "/runs/{run}/pause", {}),
    ],
)
def test_the_answer_to_a_write_needs_nothing_that_is_read_after_commit(
    client_of: Callable[[Role], ApiClient], run: Run, method: str, path: str, content: dict[str, Any]
) -> None:
    admin = client_of(Role.ADMIN)
    with CaptureQueriesContext(connection) as captured:
        path = path.format(run=run.pk)
        answer = admin.generic(method, path, json.dumps(content), "application/json", headers={"If-Match": "*"})

    assert answer.status_code in {200, 201}
    statements = [query["sql"] for query in captured]
    after_commit = statements[statements.index("COMMIT") + 1 :]
    # The counters in Redis are bumped then; whatever comes of that, the answer stays as it is.
    assert all("resource_version" in statement for statement in after_commit)
