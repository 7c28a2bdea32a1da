"""How the errors of procedures read over HTTP."""

from http import HTTPStatus

from procedures.actions import InvalidDefinition, ProcedureKeyTaken
from procedures.models import ProcedureNotFound, RevisionNotFound
from rest.problems import Problem, ValidationFailed, not_found, problem_for


@problem_for.register
def _(_error: ProcedureNotFound) -> Problem:
    return not_found("procedure-not-found", "There is no such procedure")


@problem_for.register
def _(_error: RevisionNotFound) -> Problem:
    return not_found("revision-not-found", "There is no such revision")


@problem_for.register
def _(_error: ProcedureKeyTaken) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "procedure-key-taken",
        "A procedure with this key exists",
        "It may be archived; PUT publishes a new revision of it.",
    )


@problem_for.register
def _(error: InvalidDefinition) -> Problem:
    return ValidationFailed(error.findings, "The procedure is not valid")
