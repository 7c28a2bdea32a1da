"""Runs driven at random against a model of the rules in plain Python, over the real API and database.

The model lists what can be asked of a run, so that half of the steps record an event and the others try every kind of
refusal. Every answer, and the whole run after every event, must be what the model says; a refusal must not change a
byte of the run.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any
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
from tests.runs.rules import ABORT, ENDED, MAX_EVENTS, SKIPPABLE, STEPS, Ask, Model

EXPLORATION = hypothesis_settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# The kinds of steps; each comes as often as it is named here.
KINDS = [*["accepted"] * 11, *["refused"] * 7, "repeated", "aborted"]
ORDERINGS = ["strict", "any"]


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
