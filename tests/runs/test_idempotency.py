"""Runs are started and verbs are carried out once for each Idempotency-Key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection

from access.roles import Role
from runs.models import Receipt, Run, RunEvent
from tests import factories
from tests.answers import assert_repeated, assert_reused
from tests.conftest import ApiClient
from tests.factories import body, publish, start, step
from tests.meetings import meet

pytestmark = pytest.mark.django_db

KEY = "b0f4c9e2"
REASON = {"reason": "Fire alarm"}
STEPS = [step("measure", skippable=True), step("incubate")]


@dataclass(frozen=True)
class Verb:
    """A verb, its body, and what must be done before it."""

    path: str
    content: dict[str, Any] = field(default_factory=dict)
    after: tuple["Verb", ...] = ()


COMMIT = Verb("/steps/measure/commit", {"note": "First"})
VERBS = {
    "commit": COMMIT,
    "skip": Verb("/steps/measure/skip", REASON),
    "amend": Verb("/steps/measure/amend", {"amends": 2, **REASON}, after=(COMMIT,)),
    "pause": Verb("/pause"),
    "resume": Verb("/resume", after=(Verb("/pause"),)),
    "abort": Verb("/abort", REASON),
}
each_verb = pytest.mark.parametrize("verb", list(VERBS.values()), ids=list(VERBS))


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A run of two steps."""
    return start(person(Role.SUPERVISOR), body(steps=STEPS))


def send(client: ApiClient, run: Run, verb: Verb, key: str | None = KEY) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/runs/{run.pk}{verb.path}", verb.content, headers=headers)


def prepare(client: ApiClient, run: Run, verb: Verb) -> None:
    """Do what must be done before the verb."""
    for earlier in verb.after:
        send(client, run, earlier, key=None)


def bring_to_its_end(client: ApiClient, run: Run) -> None:
    """Complete the run, or abort it."""
    for verb in (Verb("/resume"), COMMIT, Verb("/steps/incubate/commit"), Verb("/abort", REASON)):
        send(client, run, verb, key=None)
    run.refresh_from_db()
    assert run.status in {"completed", "aborted"}


def forget_receipts() -> None:
    """Leave the receipts as they were when answers were not kept: there were none."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE runs_receipt DISABLE TRIGGER receipt_is_append_only")
        cursor.execute("DELETE FROM runs_receipt")
        cursor.execute("ALTER TABLE runs_receipt ENABLE ALWAYS TRIGGER receipt_is_append_only")


def start_one(client: ApiClient, key: str = KEY, **members: Any) -> Any:
    return client.post("/runs", {"procedure": "gibson", **members}, headers={"Idempotency-Key": key})


def test_a_repeated_start_starts_nothing_and_is_answered_as_before(operator: ApiClient) -> None:
    publish(body())
    first = start_one(operator)

    again = start_one(operator)

    assert first.status_code == 201
    assert_repeated(again, first)
    assert again["Location"] == first["Location"]
    assert (Run.objects.count(), RunEvent.objects.count()) == (1, 1)


def test_a_repeated_start_is_answered_as_before_when_the_run_has_completed(operator: ApiClient) -> None:
    publish(body(steps=STEPS))
    first = start_one(operator)
    bring_to_its_end(operator, Run.objects.get())

    assert_repeated(start_one(operator), first)


def test_a_repeated_start_is_answered_as_before_when_the_procedure_is_archived(operator: ApiClient) -> None:
    publish(body())
    first = start_one(operator)
    factories.archive()

    assert_repeated(start_one(operator), first)


def test_another_start_under_the_same_key_is_refused(operator: ApiClient) -> None:
    publish(body())
    start_one(operator)

    assert_reused(start_one(operator, title="Batch 12"))
    assert Run.objects.count() == 1


def test_each_person_starts_with_keys_of_their_own(operator: ApiClient, supervisor: ApiClient) -> None:
    publish(body())
    start_one(operator)

    assert "Idempotent-Replayed" not in start_one(supervisor)
    assert Run.objects.count() == 2


@each_verb
def test_the_key_of_the_start_is_free_for_what_happens_in_the_run(supervisor: ApiClient, verb: Verb) -> None:
    publish(body(steps=STEPS))
    start_one(supervisor)
    run = Run.objects.get()
    prepare(supervisor, run, verb)

    answer = send(supervisor, run, verb)

    assert answer.status_code in {200, 201}
    assert_repeated(send(supervisor, run, verb), answer)


@pytest.mark.django_db(transaction=True)
def test_of_two_twins_that_start_a_run_one_waits_and_is_answered_like_the_other(operator: ApiClient) -> None:
    publish(body())

    first, twin = meet(lambda: start_one(operator), lambda: start_one(operator))

    assert first.status_code == 201
    assert_repeated(twin, first)
    assert (Run.objects.count(), RunEvent.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_procedures_started_at_once_under_one_key_only_one_runs(operator: ApiClient) -> None:
    publish(body())
    publish(body("lockout"))

    first, other = meet(lambda: start_one(operator), lambda: start_one(operator, procedure="lockout"))

    assert first.status_code == 201
    assert_reused(other)
    assert Run.objects.get().revision.procedure.key == "gibson"


@each_verb
def test_a_repeated_verb_does_nothing_and_is_answered_as_before(supervisor: ApiClient, run: Run, verb: Verb) -> None:
    prepare(supervisor, run, verb)
    first = send(supervisor, run, verb)
    events = run.events.count()

    again = send(supervisor, run, verb)

    assert first.status_code in {200, 201}
    assert_repeated(again, first)
    assert run.events.count() == events


@each_verb
def test_a_repeated_verb_is_answered_as_before_when_the_run_has_ended(
    supervisor: ApiClient, run: Run, verb: Verb
) -> None:
    prepare(supervisor, run, verb)
    first = send(supervisor, run, verb)
    bring_to_its_end(supervisor, run)

    assert_repeated(send(supervisor, run, verb), first)


@each_verb
def test_another_request_under_the_key_of_a_verb_is_refused(supervisor: ApiClient, run: Run, verb: Verb) -> None:
    prepare(supervisor, run, verb)
    send(supervisor, run, verb)
    events = run.events.count()

    assert_reused(send(supervisor, run, Verb("/steps/incubate/commit")))
    assert_reused(send(supervisor, run, Verb(verb.path, {**verb.content, "reason": "Another one"})))
    assert run.events.count() == events


def test_each_run_has_keys_of_its_own(supervisor: ApiClient, run: Run, person: Callable[[Role], User]) -> None:
    send(supervisor, run, COMMIT)

    answer = send(supervisor, start(person(Role.SUPERVISOR), body(steps=STEPS)), COMMIT)

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer


def test_a_refused_verb_leaves_its_key_free(supervisor: ApiClient, run: Run) -> None:
    assert send(supervisor, run, Verb("/resume")).status_code == 409

    assert send(supervisor, run, Verb("/pause")).status_code == 200


@pytest.mark.django_db(transaction=True)
@each_verb
def test_of_two_twins_in_a_run_one_waits_and_is_answered_like_the_other(
    supervisor: ApiClient, run: Run, verb: Verb
) -> None:
    prepare(supervisor, run, verb)
    events = run.events.count()

    first, twin = meet(lambda: send(supervisor, run, verb), lambda: send(supervisor, run, verb))

    assert first.status_code in {200, 201}
    assert_repeated(twin, first)
    assert run.events.count() == events + 1


@pytest.mark.django_db(transaction=True)
def test_a_twin_of_a_start_is_answered_like_the_other_though_the_procedure_was_archived_meanwhile(
    operator: ApiClient,
) -> None:
    publish(body())

    def start_and_archive() -> Any:
        answer = start_one(operator)
        factories.archive()
        return answer

    first, twin = meet(start_and_archive, lambda: start_one(operator))

    assert_repeated(twin, first)


@each_verb
def test_a_verb_from_before_answers_were_kept_is_answered_with_the_run_as_it_was(
    supervisor: ApiClient, run: Run, verb: Verb
) -> None:
    prepare(supervisor, run, verb)
    first = send(supervisor, run, verb)
    forget_receipts()
    bring_to_its_end(supervisor, run)

    again = send(supervisor, run, verb)

    assert (again.status_code, again.json(), again.headers.get("ETag")) == (first.status_code, first.json(), None)
    assert again["Idempotent-Replayed"] == "true"


def test_a_start_from_before_answers_were_kept_is_answered_with_the_run_as_it_was(operator: ApiClient) -> None:
    publish(body(steps=STEPS))
    first = start_one(operator)
    forget_receipts()
    bring_to_its_end(operator, Run.objects.get())

    again = start_one(operator)

    assert (again.status_code, again.json(), again.headers.get("ETag")) == (201, first.json(), None)


@pytest.mark.parametrize("change", [{"entity_tag": "other"}, None], ids=["update", "delete"])
def test_a_receipt_never_changes(supervisor: ApiClient, run: Run, change: dict[str, str] | None) -> None:
    send(supervisor, run, COMMIT)

    with pytest.raises(IntegrityError, match="never changes"):
        Receipt.objects.update(**change) if change else Receipt.objects.all().delete()


def test_without_a_key_no_receipt_is_written(supervisor: ApiClient, run: Run) -> None:
    send(supervisor, run, COMMIT, key=None)

    assert not Receipt.objects.exists()


def test_a_receipt_is_shown_by_what_it_is_for(supervisor: ApiClient, run: Run) -> None:
    send(supervisor, run, COMMIT)

    assert str(Receipt.objects.get()) == "2 commit for b0f4c9e2"
