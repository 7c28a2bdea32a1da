"""The problem types of access."""

from http import HTTPStatus

from rest.problems import Member, problem_type

ROLE_REQUIRED = problem_type(
    HTTPStatus.FORBIDDEN, "role-required", "This step is for another role",
    "Only members of a group may commit the step.",
    role=Member({"type": "string"}, "supervisor"),
)  # fmt: skip
