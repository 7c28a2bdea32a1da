"""How the errors of runs read over HTTP."""

from http import HTTPStatus

from rest.problems import Problem, ValidationFailed, not_found, problem_for
from runs.actions import (
    AmendTargetStale,
    InvalidSubmission,
    ProcedureArchived,
    RunNotInProgress,
    RunTooLong,
    StepAlreadyCommitted,
    StepNotFound,
    StepNotSkippable,
    StepOutOfOrder,
)
from runs.exports import RunNotFinished
from runs.models import RunNotFound
from runs.serializers import CommitSerializer


def _conflict(slug: str, title: str, **extensions: object) -> Problem:
    return Problem(HTTPStatus.CONFLICT, slug, title, **extensions)  # type: ignore[arg-type]  # extensions only


@problem_for.register
def _(_error: RunNotFound) -> Problem:
    return not_found("run-not-found", "There is no such run")


@problem_for.register
def _(error: StepNotFound) -> Problem:
    return not_found(
        "step-not-found",
        "The run's revision has no such step",
        revision=error.revision,
        known_steps=error.known_steps,
    )


@problem_for.register
def _(_error: ProcedureArchived) -> Problem:
    return _conflict("procedure-archived", "The procedure is archived and takes no new runs")


@problem_for.register
def _(error: RunNotInProgress) -> Problem:
    return _conflict("run-not-in-progress", "The run's state does not allow this", run_status=error.run_status)


@problem_for.register
def _(error: RunNotFinished) -> Problem:
    return _conflict("run-not-finished", "Only finished runs are exported", run_status=error.run_status)


@problem_for.register
def _(_error: RunTooLong) -> Problem:
    return _conflict("run-too-long", "The run has too many events: it can only be brought to its end")


@problem_for.register
def _(error: StepOutOfOrder) -> Problem:
    return _conflict("step-out-of-order", "Earlier steps come first", blocking_steps=error.blocking_steps)


@problem_for.register
def _(error: StepAlreadyCommitted) -> Problem:
    return _conflict(
        "step-already-committed",
        "The step has been committed already",
        commit=CommitSerializer(error.event).data,
    )


@problem_for.register
def _(_error: StepNotSkippable) -> Problem:
    return _conflict("step-not-skippable", "This step cannot be skipped")


@problem_for.register
def _(error: AmendTargetStale) -> Problem:
    return _conflict("amend-target-stale", "That is not the event that counts", effective_seq=error.effective_seq)


@problem_for.register
def _(error: InvalidSubmission) -> Problem:
    return ValidationFailed(error.findings, "The commit is not valid")
