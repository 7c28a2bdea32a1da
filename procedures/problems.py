"""The problem types of procedures."""

from http import HTTPStatus

from rest.problems import problem_type

PROCEDURE_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "procedure-not-found", "There is no such procedure",
    "No procedure with this key has been published.",
)  # fmt: skip
REVISION_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "revision-not-found", "There is no such revision",
    "The procedure has no published revision with this number.",
)  # fmt: skip
PROCEDURE_KEY_TAKEN = problem_type(
    HTTPStatus.CONFLICT, "procedure-key-taken", "A procedure with this key already exists",
    "The key belongs to another procedure, which may be archived or a draft.",
)  # fmt: skip
