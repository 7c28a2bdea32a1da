"""How /openapi.json is made, from what all operations share and what each view declares (`rest.operations`)."""

from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

from drf_spectacular import openapi
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiRequest, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import Serializer

from rest.components import problem_component, problem_example, uri_of
from rest.error_answers import MEDIA_TYPE as PROBLEM_JSON
from rest.headers import (
    CHALLENGE,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    RATE_LIMIT,
    RATE_LIMIT_POLICY,
    REQUEST_ID,
    REQUIRED_IF_MATCH,
    RETRY_AFTER,
)
from rest.operations import ANSWERED_BY_ALL, ANSWERED_BY_NONE, Operation
from rest.problems import (
    IDEMPOTENCY_KEY_REUSED,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    OUTCOME_UNKNOWN,
    PAYLOAD_TOO_LARGE,
    PRECONDITION_REQUIRED,
    REQUEST_TIMEOUT,
    UNSUPPORTED_MEDIA_TYPE,
    VALIDATION_FAILED,
    VERSION_MISMATCH,
    JSONSchema,
    ProblemType,
)
from rest.views import ApiViewSet

PROBLEMS_OF_HEADERS = {
    IF_MATCH: [VERSION_MISMATCH],
    REQUIRED_IF_MATCH: [VERSION_MISMATCH, PRECONDITION_REQUIRED],
    IDEMPOTENCY_KEY: [IDEMPOTENCY_KEY_REUSED],
}


class AutoSchema(openapi.AutoSchema):
    """Describes an operation from what its view declares for the action."""

    @property
    def view_set(self) -> ApiViewSet:
        """The view that is being described."""
        return cast(ApiViewSet, self.view)

    @property
    def declared(self) -> Operation:
        """What the view declares for the operation that is being described."""
        return self.view_set.operations[self.view_set.action]

    def is_excluded(self) -> bool:
        # An undeclared operation is left out; tests/test_openapi.py checks that every route is declared.
        return self.view_set.action not in self.view_set.operations

    def get_operation_id(self) -> str:
        return self.declared.id

    def get_summary(self) -> str:
        return self.declared.summary

    def get_description(self) -> str:  # type: ignore[override]  # REST framework's takes arguments
        return self.declared.description

    def get_override_parameters(self) -> list[Any]:
        query = self.view_set.query_parameters.get(self.view_set.action)
        of_all = (REQUEST_ID, CHALLENGE, RETRY_AFTER, RATE_LIMIT_POLICY, RATE_LIMIT)
        return [*([query] if query else []), *self.declared.parameters, *of_all]

    def get_request_serializer(self) -> Any:
        example = OpenApiExample(self.declared.id, self.declared.body_example)
        return {"application/json": OpenApiRequest(self.declared.body, examples=[example])}

    def get_response_serializers(self) -> Any:
        declared = self.declared
        example = OpenApiExample(declared.id, declared.example)
        success = OpenApiResponse(declared.answer, declared.status.phrase, [example])
        answers: dict[Any, OpenApiResponse] = {(declared.status.value, declared.media_type): success}
        if IF_NONE_MATCH in declared.parameters:
            answers[HTTPStatus.NOT_MODIFIED.value] = OpenApiResponse(description="You have the current version.")
        status = attrgetter("status.value")
        for code, problem_types in groupby(sorted(self._problem_types(), key=status), key=status):
            answers[code, PROBLEM_JSON] = self._problem_answer(list(problem_types))
        for problem_type in ANSWERED_BY_NONE:
            self._reference_to(problem_type)
        return answers

    def get_serializer_name(self, serializer: Serializer[Any], direction: Direction) -> str:
        # `CommitBodySerializer` is the component `CommitRequest`.
        return super().get_serializer_name(serializer, direction).replace("BodySerializer", "Serializer")

    def _problem_types(self) -> Iterator[ProblemType]:
        """Yield the problem types that the operation can answer."""
        declared = self.declared
        yield from ANSWERED_BY_ALL
        yield from declared.problems
        for parameter in declared.parameters:
            yield from PROBLEMS_OF_HEADERS.get(parameter, [])
        if "{" in self.path:
            yield NOT_FOUND
        if declared.body is not None:
            yield from (NOT_IMPLEMENTED, REQUEST_TIMEOUT, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
        if declared.body is not None or self.view_set.action in self.view_set.query_parameters:
            yield VALIDATION_FAILED
        if self.method not in SAFE_METHODS:
            yield OUTCOME_UNKNOWN

    def _problem_answer(self, problem_types: list[ProblemType]) -> OpenApiResponse:
        """Describe the answers with one status: one of `problem_types`, distinguished by the member `type`."""
        references = {uri_of(problem_type): self._reference_to(problem_type) for problem_type in problem_types}
        mapping = {uri: reference["$ref"] for uri, reference in references.items()}
        one_of = {"oneOf": [*references.values()], "discriminator": {"propertyName": "type", "mapping": mapping}}
        return OpenApiResponse(
            one_of if len(problem_types) > 1 else self._reference_to(*problem_types),
            "\n".join(f"* `{problem_type.slug}`: {problem_type.when}" for problem_type in problem_types),
            [OpenApiExample(each.slug, problem_example(each), summary=each.title) for each in problem_types],
        )

    def _reference_to(self, problem_type: ProblemType) -> JSONSchema:
        """Return a reference to a problem type's component; the first call adds it to the document."""
        members = {name: member.shape for name, member in problem_type.members.items()}
        component = problem_component(problem_type, members)
        self.registry.register_on_missing(component)
        return dict(component.ref)
