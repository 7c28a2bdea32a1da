"""Making /openapi.json: what every operation has, and what its view declares of it (`rest.operations`)."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Any, cast

from drf_spectacular import openapi
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import ListSerializer, Serializer

from rest import field_schemas  # noqa: F401  # registers the fields
from rest.error_answers import MEDIA_TYPE as PROBLEM_JSON
from rest.idempotency import KEY, REPLAYED
from rest.operations import ANSWERED_BY_ALL, ANSWERED_BY_NONE, Operation, Parameter, Precondition
from rest.problems import (
    IDEMPOTENCY_KEY_REUSED,
    NOT_FOUND,
    OUTCOME_UNKNOWN,
    PAYLOAD_TOO_LARGE,
    PRECONDITION_REQUIRED,
    UNSUPPORTED_MEDIA_TYPE,
    VALIDATION_FAILED,
    VERSION_MISMATCH,
    JSONSchema,
    ProblemType,
)
from rest.views import ApiViewSet

JSON = "application/json"
BEARER = "bearer"

PROBLEM: JSONSchema = {
    "type": "object",
    "description": "Problem details (RFC 9457). Programs branch on `type`, which tells what further members there are.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is special about this occurrence."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
    },
    "required": ["type", "title", "status", "instance"],
}

ENTITY_TAGS = r'^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'
IF_NONE_MATCH = Parameter("The entity tags of what the client holds.", {"type": "string"}, is_required=False)
IF_MATCH = "The entity tag of the version that the change is based on, or `*` for whatever it is."
IDEMPOTENCY_KEY = Parameter(
    "A value of the client's own for this request, such as a UUID. A repetition with the same key changes nothing "
    "and is answered like the first time.",
    {"type": "string", "pattern": f"^({KEY})$"},
    is_required=False,
)

REQUEST_ID = Parameter("The id of this request in the service's log.", {"type": "string", "pattern": "^[0-9a-f]{32}$"})
REPETITION = Parameter("`true` where an earlier answer is repeated.", {"const": "true"}, is_required=False)
ETAG = Parameter(
    "The version of the answer; absent where filters chose it, and where an earlier answer is repeated.",
    {"type": "string", "pattern": '^"[0-9]+-[0-9a-f]{8}(-gzip)?"$'},
    is_required=False,
)
CHALLENGE = Parameter("RFC 6750.", {"type": "string", "const": "Bearer"})
RETRY_AFTER = Parameter("After how many seconds to try again.", {"type": "integer"})


class AutoSchema(openapi.AutoSchema):
    """Describe an operation by what its view declares under the name of the action."""

    @property
    def view_set(self) -> ApiViewSet:
        """The present view."""
        return cast(ApiViewSet, self.view)

    @property
    def declared(self) -> Operation:
        """What the view declares of the present operation."""
        return self.view_set.operations[self.view_set.action]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> JSONSchema | None:
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        for problem_type in ANSWERED_BY_NONE:
            self._schema_of(problem_type)
        return operation

    def is_excluded(self) -> bool:
        # The document is made without it; it is tests/test_openapi.py that insists on every route.
        return self.view_set.action not in self.view_set.operations

    def get_operation_id(self) -> str:
        return self.declared.id

    def get_summary(self) -> str:
        return self.declared.summary

    def get_description(self) -> str:  # type: ignore[override]  # REST framework's has arguments
        return self.declared.description

    def get_auth(self) -> list[JSONSchema]:
        scheme = {"type": "http", "scheme": "bearer", "description": "An API token, made by an administrator."}
        component = ResolvedComponent(BEARER, ResolvedComponent.SECURITY_SCHEMA, scheme, BEARER)
        self.registry.register_on_missing(component)
        return [{BEARER: []}]

    def get_request_serializer(self) -> Any:
        return self.declared.body

    def get_response_serializers(self) -> Any:
        declared = self.declared
        success = OpenApiResponse(declared.answer, "Done." if self.method != "GET" else "Here it is.")
        answers: dict[tuple[str, str] | str, OpenApiResponse] = {
            (str(declared.status.value), declared.media_type): success
        }
        if declared.is_revalidated:
            answers["304"] = OpenApiResponse(None, "The client holds the current version.")
        by_status = groupby(sorted(self._problem_types(), key=_status), key=_status)
        return {**answers, **{(str(status), PROBLEM_JSON): self._problem_answer(types) for status, types in by_status}}

    def get_examples(self) -> list[OpenApiExample]:
        declared = self.declared
        examples = [OpenApiExample(declared.id, declared.example, response_only=True, media_type=declared.media_type)]
        if declared.body is not None:
            examples.append(OpenApiExample(declared.id, declared.body_example, request_only=True))
        return examples

    def get_override_parameters(self) -> list[Any]:
        query = self.view_set.query_parameters.get(self.view_set.action)
        return [
            *([query] if query else []),
            *_parameters(self.declared.path, OpenApiParameter.PATH),
            *_parameters(self._request_headers(), OpenApiParameter.HEADER),
            *self._answer_headers(),
        ]

    def get_serializer_name(self, serializer: Serializer[Any], direction: Direction) -> str:
        # `CommitBodySerializer` is the component `CommitRequest`.
        return super().get_serializer_name(serializer, direction).replace("BodySerializer", "Serializer")

    def _is_list_view(self, serializer: Any = None) -> bool:
        # The base class takes every action named `list` for an array, envelopes too.
        return isinstance(serializer, ListSerializer)

    def _problem_types(self) -> Iterator[ProblemType]:
        """Yield the types of problem that the operation can answer."""
        declared = self.declared
        yield from ANSWERED_BY_ALL
        yield from declared.problems
        if declared.path:
            yield NOT_FOUND
        if declared.body is not None:
            yield from (PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
        if declared.body is not None or self.view_set.action in self.view_set.query_parameters:
            yield VALIDATION_FAILED
        if declared.precondition is not Precondition.NONE:
            yield VERSION_MISMATCH
        if declared.precondition is Precondition.REQUIRED:
            yield PRECONDITION_REQUIRED
        if declared.has_idempotency_key:
            yield IDEMPOTENCY_KEY_REUSED
        if self.method not in SAFE_METHODS:
            yield OUTCOME_UNKNOWN

    def _problem_answer(self, types: Iterable[ProblemType]) -> OpenApiResponse:
        """Return the answer of a status: one of `types`, told apart by the member `type`."""
        problem_types = list(types)
        schemas = [self._schema_of(problem_type) for problem_type in problem_types]
        mapping = {
            _uri(problem_type): schema["$ref"] for problem_type, schema in zip(problem_types, schemas, strict=True)
        }
        one_of = {"oneOf": schemas, "discriminator": {"propertyName": "type", "mapping": mapping}}
        return OpenApiResponse(
            schemas[0] if len(schemas) == 1 else one_of,
            "\n".join(f"* `{problem_type.slug}`: {problem_type.when}" for problem_type in problem_types),
            [
                OpenApiExample(problem_type.slug, _example_of(problem_type), summary=problem_type.title)
                for problem_type in problem_types
            ],
        )

    def _schema_of(self, problem_type: ProblemType) -> JSONSchema:
        """Return a reference to the component of a type of problem."""
        common = ResolvedComponent("Problem", ResolvedComponent.SCHEMA, PROBLEM, "Problem")
        self.registry.register_on_missing(common)
        own = {name: member.shape for name, member in problem_type.members.items()}
        properties = {"type": {"const": _uri(problem_type)}, "status": {"const": problem_type.status.value}, **own}
        schema = {
            "allOf": [common.ref, {"type": "object", "properties": properties, "required": [*properties]}],
            "description": problem_type.when,
        }
        component = ResolvedComponent(
            problem_type.component, ResolvedComponent.SCHEMA, schema, object=problem_type.slug
        )
        self.registry.register_on_missing(component)
        return dict(component.ref)

    def _request_headers(self) -> dict[str, Parameter]:
        declared = self.declared
        headers = {"If-None-Match": IF_NONE_MATCH} if declared.is_revalidated else {}
        if declared.precondition is not Precondition.NONE:
            is_required = declared.precondition is Precondition.REQUIRED
            headers["If-Match"] = Parameter(IF_MATCH, {"type": "string", "pattern": ENTITY_TAGS}, is_required)
        if declared.has_idempotency_key:
            headers["Idempotency-Key"] = IDEMPOTENCY_KEY
        return headers

    def _answer_headers(self) -> Iterator[OpenApiParameter]:
        """Yield the headers of the answers, each for the statuses that have it."""
        declared = self.declared
        yield _header_of_answers("X-Request-ID", REQUEST_ID)
        yield _header_of_answers("WWW-Authenticate", CHALLENGE, HTTPStatus.UNAUTHORIZED)
        yield _header_of_answers("Retry-After", RETRY_AFTER, HTTPStatus.SERVICE_UNAVAILABLE)
        if declared.is_revalidated:
            yield _header_of_answers("ETag", ETAG, declared.status, HTTPStatus.NOT_MODIFIED)
        elif declared.answers_etag:
            yield _header_of_answers("ETag", ETAG, declared.status)
        if declared.has_idempotency_key:
            yield _header_of_answers(REPLAYED, REPETITION, declared.status)
        for name, header in declared.headers.items():
            yield _header_of_answers(name, header, declared.status)


def _status(problem_type: ProblemType) -> int:
    return problem_type.status.value


def _uri(problem_type: ProblemType) -> str:
    return f"/problems/{problem_type.slug}"


def _example_of(problem_type: ProblemType) -> dict[str, Any]:
    return {
        "type": _uri(problem_type),
        "title": problem_type.title,
        "status": problem_type.status.value,
        "instance": "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11",
        **{name: member.example for name, member in problem_type.members.items()},
    }


def _parameters(declared: Mapping[str, Parameter], location: Any) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(
            name, parameter.schema, location, required=parameter.is_required, description=parameter.description
        )
        for name, parameter in declared.items()
    ]


def _header_of_answers(name: str, header: Parameter, *statuses: HTTPStatus) -> OpenApiParameter:
    """Return the header of the answers with one of `statuses`; of all where there is none."""
    return OpenApiParameter(
        name,
        header.schema,
        OpenApiParameter.HEADER,
        required=header.is_required,
        description=header.description,
        response=[status.value for status in statuses] or True,
    )
