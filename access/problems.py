"""The problem types of access."""

from http import HTTPStatus

from rest.problems import Member, problem_type

ROLE_REQUIRED = problem_type(
    HTTPStatus.FORBIDDEN, "role-required", "This step requires another role",
    "Only members of one group may commit, skip or amend the step, and the user is not one of them.",
    role=Member({"type": "string"}, "supervisor"),
)  # fmt: skip
