"""Things to test with: definitions of procedures, and what can be made from them."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from hypothesis import HealthCheck, settings

import runs.submissions
from procedures import actions
from procedures.models import Procedure
from procedures.submissions import Submission
from rest import timestamps
from runs.actions import Outcome, VerbRequest, commit_step, start_run
from runs.models import Run
from runs.serializers import CommitBodySerializer, submission_from
from runs.submissions import StartSubmission

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For hypothesis: a slow run on a busy machine is not a failure."""


def step(key: str = "measure", **members: Any) -> dict[str, Any]:
    """Return a step's body, by default without slots and checklist."""
    return {"key": key, "title": key.capitalize(), **members}


def body(key: str = "gibson", steps: list[dict[str, Any]] | None = None, **members: Any) -> dict[str, Any]:
    """Return a procedure's body, by default with two plain steps."""
    return {"key": key, "title": key.capitalize(), "steps": steps or [step("measure"), step("incubate")], **members}


def publish(definition: dict[str, Any]) -> Procedure:
    """Publish a body, as a new procedure or as the next revision."""
    return actions.import_procedure(definition=Submission(definition).definition(), now=timestamps.now())


def archive(key: str = "gibson", now: datetime | None = None) -> Procedure:
    """Archive a procedure, as a person who may."""
    archivist, _ = User.objects.get_or_create(username="archivist", is_superuser=True)
    return actions.archive_procedure(key=key, actor=archivist, now=now or timestamps.now()).procedure


def start(actor: Any, definition: dict[str, Any] | None = None) -> Run:
    """Start a run of a freshly published procedure."""
    procedure = publish(definition or body())
    return start_run(submission=StartSubmission(procedure.key), actor=actor, now=timestamps.now()).event.run


def slot(key: str, slot_type: str, **members: Any) -> dict[str, Any]:
    """Return a slot's body; by default it is required."""
    return {"key": key, "label": key.capitalize(), "type": slot_type, "required": True, **members}


def item(key: str, **members: Any) -> dict[str, Any]:
    """Return a checklist item's body; by default it is required."""
    return {"key": key, "label": key.capitalize(), "required": True, **members}


def verb_request(run: Run, actor: Any, now: datetime | None = None, **submission: Any) -> VerbRequest:
    """Return a request for a verb in `run`; `submission` has the members of the body, which must be valid."""
    return VerbRequest(
        run_id=run.pk, actor=actor, now=now or timestamps.now(), submission=runs.submissions.Submission(**submission)
    )


def commit(run: Run, step_key: str, actor: Any, now: datetime | None = None, **members: Any) -> Outcome:
    """Commit a step of `run`; `members` are the members of the request's body."""
    submission = submission_from(members, CommitBodySerializer)
    request = VerbRequest(run_id=run.pk, actor=actor, now=now or timestamps.now(), submission=submission)
    return commit_step(request=request, step_key=step_key)
