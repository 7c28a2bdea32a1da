"""How the errors of access read over HTTP."""

from http import HTTPStatus

from access.rights import NotAllowed, RoleRequired
from rest.problems import Problem, problem_for


@problem_for.register
def _(error: NotAllowed) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", "You may not do this", f"It takes the right {error.right.value}.")


@problem_for.register
def _(error: RoleRequired) -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "role-required",
        "This step is for another role",
        f"Only members of {error.role!r} may commit it.",
        role=error.role,
    )
