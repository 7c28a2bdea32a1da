"""The problem types of procedures."""

from http import HTTPStatus

from rest.problems import problem_type

PROCEDURE_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "procedure-not-found", "Procedure not found",
    "No published procedure has this key.",
)  # fmt: skip
REVISION_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "revision-not-found", "Revision not found",
    "The procedure has no published revision with this number.",
)  # fmt: skip
PROCEDURE_KEY_TAKEN = problem_type(
    HTTPStatus.CONFLICT, "procedure-key-taken", "This procedure key is already in use",
    "Another procedure has this key; it may be archived, or a draft.",
)  # fmt: skip
