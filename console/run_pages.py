"""What the page of a run shows: made of the cached read of the run, and of the steps that its revision pins."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from access.rights import Right, may_fill_role
from procedures.models import Revision
from procedures.serializers import StepSerializer
from rest import exact_json
from runs import caches
from runs.problems import RUN_NOT_FOUND, STEP_NOT_FOUND
from runs.states import RunStatus
from versioned_cache.http.validators import etag

MAX_REVISIONS = 64  # whose steps a process keeps


@lru_cache(MAX_REVISIONS)
def pinned_steps(procedure_key: str, number: int) -> tuple[Mapping[str, Any], ...]:
    """Return the steps of a published revision, as the API serves them; they never change."""
    revision = Revision.objects.prefetch_related("steps").get(procedure__key=procedure_key, number=number)
    return tuple(dict(StepSerializer(step).data) for step in revision.steps.all())


@dataclass(frozen=True)
class RunPage:
    """A run as somebody sees it.

    Attributes:
        run: The body of GET /runs/{id}.
        tag: Its entity tag; None where nobody may keep it.
        actor: Who looks at it.
        chosen: The key of the step that they chose to do or to amend; empty for the one that comes next.
    """

    run: Mapping[str, Any]
    tag: str | None
    actor: User
    chosen: str = ""

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        """Its steps, each with its definition, where it stands, and what was recorded about it."""
        definitions = pinned_steps(self.run["procedure"]["key"], self.run["procedure"]["revision"])
        by_seq = {commit["seq"]: commit for commit in self.run["commits"]}
        return [
            {"definition": definition, "number": number, **state, "effective": by_seq.get(state["effective_seq"])}
            for number, (definition, state) in enumerate(zip(definitions, self.run["steps"], strict=True), start=1)
        ]

    @property
    def current(self) -> dict[str, Any] | None:
        """The step to do now; None if there is none."""
        available = [step for step in self.steps if step["key"] in self.run["next_steps"]]
        chosen = [step for step in available if step["key"] == self.chosen]
        return next(iter(chosen or available), None)

    @property
    def amended(self) -> dict[str, Any] | None:
        """The step that is chosen to be amended; None if none is."""
        chosen = (step for step in self.steps if step["key"] == self.chosen and step["effective"])
        return next(chosen, None) if self.may_amend else None

    def step_with_key(self, key: str) -> dict[str, Any]:
        """Return one of its steps.

        Raises:
            STEP_NOT_FOUND: it has no such step.
        """
        for step in self.steps:
            if step["key"] == key:
                return step
        known = [step["key"] for step in self.steps]
        raise STEP_NOT_FOUND(revision=self.run["procedure"]["revision"], known_steps=known)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """All events, the newest first, each with its step and the event that replaced it, if any."""
        replaced_by = {commit["amends"]: commit["seq"] for commit in self.run["commits"] if commit["amends"]}
        steps = {step["key"]: step for step in self.steps}
        events = [*self.run["commits"], *self.run["status_changes"]]
        return [
            {**event, "step": steps.get(event.get("step_key")), "replaced_by": replaced_by.get(event["seq"])}
            for event in sorted(events, key=lambda event: event["seq"], reverse=True)
        ]

    @property
    def is_running(self) -> bool:
        """Whether steps can be done."""
        return bool(self.run["status"] == RunStatus.IN_PROGRESS)

    @property
    def is_paused(self) -> bool:
        """Whether it has to be resumed first."""
        return bool(self.run["status"] == RunStatus.PAUSED)

    @property
    def may_execute(self) -> bool:
        """Whether they may do steps, pause and resume."""
        return self.actor.has_perm(Right.EXECUTE_RUNS)

    @property
    def may_abort(self) -> bool:
        """Whether they may abort it, and it has not ended."""
        return (self.is_running or self.is_paused) and self.actor.has_perm(Right.ABORT_RUNS)

    @property
    def may_amend(self) -> bool:
        """Whether they may correct what was recorded."""
        if self.run["status"] == RunStatus.COMPLETED:
            return self.actor.has_perm(Right.AMEND_COMPLETED_RUNS)
        return self.is_running and self.may_execute

    @property
    def missing_role(self) -> str | None:
        """The role that the current step needs and they do not have."""
        role = self.current["definition"]["role"] if self.current else None
        return role if role and not may_fill_role(self.actor, role) else None


def page_of_run(run_id: UUID, actor: User, chosen: str = "") -> RunPage:
    """Return a run as somebody sees it, from the cached read.

    Raises:
        RUN_NOT_FOUND: no run has this id.
    """
    representation = caches.read_run(run_id=str(run_id))
    version = representation.version
    tag = None if version is None else etag(version, caches.FINGERPRINT)
    return RunPage(_parsed(representation.body), tag, actor, chosen)


def _parsed(body: bytes | None) -> Mapping[str, Any]:
    if body is None:
        raise RUN_NOT_FOUND
    return exact_json.loads_stored(body.decode())  # type: ignore[no-any-return]  # an object, always
