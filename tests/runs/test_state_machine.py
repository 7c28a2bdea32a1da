"""Runs driven at random against a model of the rules in plain Python, over the real API and database.

The model knows nothing of the code: it is the rules of docs/api.md once more, in the fewest words. It lists what can be
asked of a run, so that half of the steps record an event and the others try every kind of refusal. Every answer, and
the whole run after every event, must be what the model says; a refusal must not change a byte of the run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from pytest_django import Settings
from rest_framework.test import APIClient

from access.roles import Role
from runs.bodies import body_of_run
from tests import factories

STEPS = ["one", "two", "three"]
SKIPPABLE = {"two"}
ENDED = ("completed", "aborted")
EXPLORATION = hypothesis_settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# What a step asks for, as often as it is named.
KINDS = [*["accepted"] * 11, *["refused"] * 7, "repeated", "aborted"]
ORDERINGS = ["strict", "any"]
MAX_EVENTS = 6  # few, so that most runs come there


class Ask(NamedTuple):
    """Something to ask of a run; whatever is not valid has a body that no step allows."""

    verb: str
    step: str | None = None
    amends: int | None = None
    is_valid: bool = True

    @property
    def path(self) -> str:
        return f"steps/{self.step}/{self.verb}" if self.step else self.verb

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {} if self.is_valid else {"values": {"no": 1}}
        if self.verb in ("skip", "amend", "abort"):
            body["reason"] = "why not"
        return body if self.amends is None else {**body, "amends": self.amends}


ABORT = Ask("abort")


@dataclass
class Model:
    """A run according to the rules."""

    is_strict: bool
    status: str = "in_progress"
    last_seq: int = 1
    resolved: dict[str, tuple[int, str]] = field(default_factory=dict)  # step → (effective seq, state)
    history: list[tuple[int, str, str, int | None]] = field(default_factory=list)  # seq, kind, step, amends

    def asks(self) -> Iterator[Ask]:
        """What can be asked now, sensible or not."""
        for step in STEPS:
            yield from (Ask("commit", step), Ask("commit", step, is_valid=False), Ask("skip", step))
            yield from (Ask("amend", step, amends) for amends in range(1, self.last_seq + 2))
        yield from map(Ask, ("pause", "resume", "abort"))

    def refusal_of(self, ask: Ask) -> str | None:
        """The problem that the request must meet; None if it must be accepted."""
        if ask.step is None:
            return self._refusal_of_change(ask.verb)
        if ask.verb == "amend":
            return self._refusal_to_amend(ask.step, ask.amends)
        return self._refusal_to_resolve(ask.step) or self._refusal_of_content(ask)

    def _refusal_to_resolve(self, step: str) -> str | None:
        if self.status != "in_progress":
            return "run-not-in-progress"
        earlier = STEPS[: STEPS.index(step)]
        if self.is_strict and any(other not in self.resolved for other in earlier):
            return "step-out-of-order"
        return "step-already-committed" if step in self.resolved else None

    @staticmethod
    def _refusal_of_content(ask: Ask) -> str | None:
        if ask.verb == "skip":
            return None if ask.step in SKIPPABLE else "step-not-skippable"
        return None if ask.is_valid else "validation-failed"

    def _refusal_of_change(self, verb: str) -> str | None:
        allowed_in = {"pause": ["in_progress"], "resume": ["paused"], "abort": ["in_progress", "paused"]}
        if self.status not in allowed_in[verb]:
            return "run-not-in-progress"
        return "run-too-long" if verb == "pause" and self.last_seq >= MAX_EVENTS else None

    def _refusal_to_amend(self, step: str, amends: int | None) -> str | None:
        if self.status not in ("in_progress", "completed"):
            return "run-not-in-progress"
        if self.last_seq >= MAX_EVENTS:
            return "run-too-long"
        effective, _ = self.resolved.get(step, (None, ""))
        return None if effective is not None and amends == effective else "amend-target-stale"

    def record(self, ask: Ask) -> None:
        """Add the event that the request leads to."""
        self.last_seq += 1
        if ask.step is None:
            self.status = {"pause": "paused", "resume": "in_progress", "abort": "aborted"}[ask.verb]
            return
        self.resolved[ask.step] = (self.last_seq, "skipped" if ask.verb == "skip" else "committed")
        self.history.append((self.last_seq, ask.verb, ask.step, ask.amends))
        if len(self.resolved) == len(STEPS):
            self.status = "completed"

    @property
    def next_steps(self) -> list[str]:
        """The steps that come next."""
        if self.status in ENDED:
            return []
        open_steps = [step for step in STEPS if step not in self.resolved]
        return open_steps[:1] if self.is_strict else open_steps


class Runs(RuleBasedStateMachine):
    """One run after the other, and everything that can be asked of them."""

    def __init__(self, supervisor: APIClient, operator: APIClient, paths: Mapping[str, str]) -> None:
        super().__init__()
        self.supervisor, self.operator, self.paths = supervisor, operator, paths
        self.open()

    def open(self) -> None:
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # The choices come from one seed: those that hypothesis draws one by one are too much alike.
    @initialize(random=st.randoms(use_true_random=True))
    def seed(self, random: Random) -> None:
        self.choice = random.choice
        self.start(self.choice(ORDERINGS))

    def start(self, ordering: str) -> None:
        """Go back to a run that has just been started."""
        self.teardown()
        self.open()
        self.path = self.paths[ordering]
        self.model = Model(is_strict=ordering == "strict")
        self.answers: list[tuple[Ask, str, Any]] = []  # what was accepted, with its Idempotency-Key
        note(f"a run in {ordering} order")
        self.see_the_run()

    @rule()
    def ask(self) -> None:
        """Ask for something that must be accepted or refused, or repeat something; or turn to another run."""
        kind = self.choice(KINDS)
        accepted = [ask for ask in self.model.asks() if self.model.refusal_of(ask) is None]
        refused = [ask for ask in self.model.asks() if self.model.refusal_of(ask) is not None]
        if kind == "repeated" and self.answers:
            self.repeat(*self.choice(self.answers))
        elif kind == "aborted" and ABORT in accepted:
            self.accept(ABORT)
        elif kind == "accepted" and accepted not in ([], [ABORT]):
            self.accept(self.choice([ask for ask in accepted if ask != ABORT]))
        elif kind == "refused":
            verb = self.choice(sorted({ask.verb for ask in refused}))
            self.refuse(self.choice([ask for ask in refused if ask.verb == verb]))
        else:
            self.start(self.choice(ORDERINGS))

    def accept(self, ask: Ask) -> None:
        key = f"k{len(self.answers)}"
        answer = self.post(ask, key)
        self.model.record(ask)
        self.answers.append((ask, key, answer))

        assert answer.status_code == (201 if ask.step else 200), answer.content
        run = answer.json()["run"] if ask.step else answer.json()
        assert (run["status"], run["last_seq"]) == (self.model.status, self.model.last_seq)
        assert run["next_steps"] == self.model.next_steps
        self.see_the_run()
        if self.model.last_seq == MAX_EVENTS and self.model.status not in ENDED:
            self.see_that_an_operator_can_complete_the_run()

    def refuse(self, ask: Ask) -> None:
        answer = self.post(ask, "k-refused")

        assert answer.status_code in (400, 409), answer.content
        assert answer.json()["type"] == f"/problems/{self.model.refusal_of(ask)}"
        assert body_of_run(UUID(self.path.removeprefix("/runs/"))) == self.content

    def repeat(self, ask: Ask, key: str, first: Any) -> None:
        again = self.post(ask, key)

        assert again.headers["Idempotent-Replayed"] == "true"
        assert (again.status_code, again.content) == (first.status_code, first.content)

    def see_the_run(self) -> None:
        answer = self.supervisor.get(self.path)
        self.content = answer.content
        run = answer.json()
        assert run["status"] == self.model.status
        assert run["last_seq"] == self.model.last_seq
        assert run["next_steps"] == self.model.next_steps
        assert [(c["seq"], c["kind"], c["step_key"], c["amends"]) for c in run["commits"]] == self.model.history
        assert {
            step["key"]: (step["effective_seq"], step["state"]) for step in run["steps"] if step["effective_seq"]
        } == self.model.resolved
        seqs = sorted([c["seq"] for c in run["commits"]] + [c["seq"] for c in run["status_changes"]])
        assert seqs == list(range(1, self.model.last_seq + 1))

    def see_that_an_operator_can_complete_the_run(self) -> None:
        resume = ["resume"] if self.model.status == "paused" else []
        commits = [f"steps/{step}/commit" for step in STEPS if step not in self.model.resolved]
        with transaction.atomic():
            for path in (*resume, *commits):
                answer = self.operator.post(f"{self.path}/{path}", {}, format="json")
                assert answer.status_code in (200, 201), answer.content
            assert answer.json()["run"]["status"] == "completed"
            transaction.set_rollback(True)

    def post(self, ask: Ask, key: str) -> Any:
        note(f"{ask} with key {key}")
        headers = {"Idempotency-Key": key}
        return self.supervisor.post(f"{self.path}/{ask.path}", ask.body, format="json", headers=headers)


@pytest.mark.usefixtures("redis")
def test_no_run_differs_from_the_model(person: Callable[[Role], User], settings: Settings) -> None:
    settings.MAX_EVENTS = MAX_EVENTS
    supervisor, operator = client_for(person(Role.SUPERVISOR)), client_for(person(Role.OPERATOR))
    paths = {ordering: started(ordering, person(Role.OPERATOR)) for ordering in ORDERINGS}

    run_state_machine_as_test(lambda: Runs(supervisor, operator, paths), settings=EXPLORATION)  # type: ignore[arg-type]


def client_for(user: User) -> APIClient:
    """Return a client without a token: who asks is not the question here, and would cost three statements a time."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def started(ordering: str, actor: User) -> str:
    """Start a run in this order, and return its path."""
    steps = [factories.step(key, skippable=key in SKIPPABLE) for key in STEPS]
    run = factories.start(actor, factories.body(ordering, steps=steps, ordering=ordering))
    return f"/runs/{run.pk}"
