"""Runs driven at random against a model of the rules in plain Python, over the real API and database.

The model knows nothing about the code: it states the rules of docs/api.md again, as briefly as possible. The answer to
every request, and now and then the whole run, must be what the model says.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pytest_django import Settings

from access.actions import issue_token
from access.roles import Role
from tests import factories
from tests.conftest import ApiClient

STEPS = ["one", "two", "three"]
SKIPPABLE = {"two"}
ENDED = ("completed", "aborted")
EXAMPLES, STEPS_EACH = 60, 40
MAX_EVENTS = 6  # few, so that most runs reach the limit


@dataclass
class Model:
    """A run according to the rules."""

    is_strict: bool
    status: str = "in_progress"
    last_seq: int = 1
    resolved: dict[str, tuple[int, str]] = field(default_factory=dict)  # step → (effective seq, state)
    history: list[tuple[int, str, str, int | None]] = field(default_factory=list)  # seq, kind, step, amends

    def refusal_to_resolve(self, step: str) -> str | None:
        """Return why the step may not be committed or skipped now."""
        if self.status != "in_progress":
            return "run-not-in-progress"
        earlier = STEPS[: STEPS.index(step)]
        if self.is_strict and any(other not in self.resolved for other in earlier):
            return "step-out-of-order"
        return "step-already-committed" if step in self.resolved else None

    def record(self, kind: str, step: str, amends: int | None = None) -> None:
        """Add an event about a step."""
        self.last_seq += 1
        self.resolved[step] = (self.last_seq, "skipped" if kind == "skip" else "committed")
        self.history.append((self.last_seq, kind, step, amends))
        if len(self.resolved) == len(STEPS):
            self.status = "completed"

    def change(self, status: str) -> None:
        """Add an event about the run."""
        self.last_seq += 1
        self.status = status

    @property
    def next_steps(self) -> list[str]:
        """The steps that come next."""
        if self.status in ENDED:
            return []
        open_steps = [step for step in STEPS if step not in self.resolved]
        return open_steps[:1] if self.is_strict else open_steps


class Runs(RuleBasedStateMachine):
    """One run, and every request about it."""

    @initialize(is_strict=st.booleans())
    def start(self, is_strict: bool) -> None:
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        people = {role: User.objects.get_or_create(username=f"machine-{role}")[0] for role in Role}
        for role, user in people.items():
            user.groups.add(Group.objects.get(name=role))
        self.client = ApiClient(issue_token(user=people[Role.SUPERVISOR], name="machine"))
        self.operator = ApiClient(issue_token(user=people[Role.OPERATOR], name="machine"))
        steps = [factories.step(key, skippable=key in SKIPPABLE) for key in STEPS]
        factories.publish(factories.body("machine", steps=steps, ordering="strict" if is_strict else "any"))
        self.path = self.client.post("/runs", {"procedure": "machine"}).headers["Location"]
        self.model = Model(is_strict)
        self.sent: list[tuple[str, dict[str, Any], str, Any]] = []

    def teardown(self) -> None:
        if hasattr(self, "atomic"):
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def ask(self, path: str, body: dict[str, Any], refusal: str | None) -> Any:
        """Send a request that must succeed, or be refused with the problem `refusal`."""
        key = f"k{len(self.sent)}"
        answer = self.client.post(path, body, headers={"Idempotency-Key": key})
        if refusal is not None:
            assert answer.status_code in (400, 409), answer.content
            assert answer.json()["type"] == f"/problems/{refusal}"
            return answer
        assert answer.status_code in (200, 201), answer.content
        self.sent.append((path, body, key, answer))
        return answer

    @rule(step=st.sampled_from(STEPS), is_valid=st.booleans())
    def commit(self, step: str, is_valid: bool) -> None:
        refusal = self.model.refusal_to_resolve(step) or (None if is_valid else "validation-failed")
        answer = self.ask(f"{self.path}/steps/{step}/commit", {} if is_valid else {"values": {"no": 1}}, refusal)
        if refusal is None:
            self.model.record("commit", step)
            assert answer.json()["run"]["last_seq"] == self.model.last_seq

    @rule(step=st.sampled_from(STEPS))
    def skip(self, step: str) -> None:
        refusal = self.model.refusal_to_resolve(step) or (None if step in SKIPPABLE else "step-not-skippable")
        self.ask(f"{self.path}/steps/{step}/skip", {"reason": "why not"}, refusal)
        if refusal is None:
            self.model.record("skip", step)

    @rule(step=st.sampled_from(STEPS), seq=st.integers(1, 12), is_right=st.booleans())
    def amend(self, step: str, seq: int, is_right: bool) -> None:
        effective = self.model.resolved.get(step, (None, ""))[0]
        amends = effective if is_right and effective else seq
        refusal = None
        if self.model.status not in ("in_progress", "completed"):
            refusal = "run-not-in-progress"
        elif self.model.last_seq >= MAX_EVENTS:
            refusal = "run-too-long"
        elif amends != effective:
            refusal = "amend-target-stale"
        self.ask(f"{self.path}/steps/{step}/amend", {"amends": amends, "reason": "typo"}, refusal)
        if refusal is None:
            self.model.record("amend", step, amends)

    @rule()
    def pause(self) -> None:
        self._change("pause", {}, allowed_in=["in_progress"], then="paused")

    @rule()
    def resume(self) -> None:
        self._change("resume", {}, allowed_in=["paused"], then="in_progress")

    @rule(luck=st.integers(0, 9))
    def abort(self, luck: int) -> None:
        if luck == 0:  # or most runs would end at once
            self._change("abort", {"reason": "fire"}, allowed_in=["in_progress", "paused"], then="aborted")

    def _change(self, verb: str, body: dict[str, Any], allowed_in: list[str], then: str) -> None:
        refusal = None if self.model.status in allowed_in else "run-not-in-progress"
        if refusal is None and verb == "pause" and self.model.last_seq >= MAX_EVENTS:
            refusal = "run-too-long"
        answer = self.ask(f"{self.path}/{verb}", body, refusal)
        if refusal is None:
            self.model.change(then)
            assert answer.json()["status"] == then

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.sent:
            path, body, key, first = data.draw(st.sampled_from(self.sent))
            again = self.client.post(path, body, headers={"Idempotency-Key": key})
            assert again.headers["Idempotent-Replayed"] == "true"
            assert (again.status_code, again.content) == (first.status_code, first.content)

    @invariant()
    def the_run_is_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        run = self.client.get(self.path).json()
        assert run["status"] == self.model.status
        assert run["last_seq"] == self.model.last_seq
        assert run["next_steps"] == self.model.next_steps
        assert [(c["seq"], c["kind"], c["step_key"], c["amends"]) for c in run["commits"]] == self.model.history
        assert {
            step["key"]: (step["effective_seq"], step["state"]) for step in run["steps"] if step["effective_seq"]
        } == self.model.resolved
        seqs = sorted([c["seq"] for c in run["commits"]] + [c["seq"] for c in run["status_changes"]])
        assert seqs == list(range(1, self.model.last_seq + 1))

    @invariant()
    def a_run_at_its_limit_can_be_completed_by_an_operator(self) -> None:
        if not hasattr(self, "model") or self.model.status in ENDED or self.model.last_seq < MAX_EVENTS:
            return
        resume = ["resume"] if self.model.status == "paused" else []
        commits = [f"steps/{step}/commit" for step in STEPS if step not in self.model.resolved]
        with transaction.atomic():
            for verb in (*resume, *commits):
                answer = self.operator.post(f"{self.path}/{verb}")
                assert answer.status_code in (200, 201), answer.content
            assert answer.json()["run"]["status"] == "completed"
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_no_run_differs_from_the_model(redis: object, settings: Settings) -> None:
    settings.MAX_EVENTS = MAX_EVENTS

    run_state_machine_as_test(Runs, settings=_bounded())


def _bounded() -> hypothesis_settings:
    return hypothesis_settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
