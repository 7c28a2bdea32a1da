"""The service's description of itself is checked against its routes, its errors and its own rules."""

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern
from jsonschema import Draft202012Validator

import access.problems
import access.urls
import procedures.problems
import procedures.urls
import rest.problems
import runs.problems
import runs.urls
from procedures_project import documentation
from rest.components import IGNORED
from rest.problems import Problem, ProblemType

METHODS = {"get", "post", "put", "delete"}
PROBLEM_JSON = "application/problem+json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    content: dict[str, Any] = json.loads(documentation.document())
    return content


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every operation."""
    for item in document["paths"].values():
        yield from (operation for method, operation in item.items() if method in METHODS)


def contents(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every body of a request or an answer."""
    for operation in operations(document):
        for place in (operation.get("requestBody", {}), *operation["responses"].values()):
            yield from place.get("content", {}).values()


def problem_schemas(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema of every problem type."""
    return [schema for name, schema in document["components"]["schemas"].items() if name.endswith("Problem")]


def faults(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    """Return how `value` breaks `schema`."""
    validator = Draft202012Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)]


def routes() -> set[tuple[str, str]]:
    """Return the method and the path of every route of the API."""
    return {
        (method, "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern)))
        for pattern in (*access.urls.urlpatterns, *procedures.urls.urlpatterns, *runs.urls.urlpatterns)
        if isinstance(pattern, URLPattern)
        for method in getattr(pattern.callback, "actions", {})
        if method in METHODS
    }


def slugs_in_the_code() -> set[str]:
    """Return the slug of every problem type that the code declares."""
    slugs = set()
    for package in ("rest", "access", "procedures", "runs", "procedures_project"):
        for path in sorted((settings.BASE_DIR / package).rglob("*.py")):
            slugs |= {slug for call in calls_in(path) if (slug := slug_of(call))}
    return slugs


def calls_in(path: Path) -> Iterator[ast.Call]:
    """Return the calls in a file."""
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def slug_of(call: ast.Call) -> str | None:
    """Return the slug in a call that declares a problem type: it follows the status."""
    texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    has_status = bool(call.args) and ast.unparse(call.args[0]).startswith("HTTPStatus.")
    slug = texts[0] if texts and has_status else None
    return slug if isinstance(slug, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) else None


def declared_types() -> list[ProblemType]:
    """Return every problem type."""
    rooms = (rest.problems, access.problems, procedures.problems, runs.problems)
    return [
        value
        for room in rooms
        for value in vars(room).values()
        if isinstance(value, type) and value.__base__ is Problem
    ]


def test_the_document_is_valid_and_made_without_a_warning(tmp_path: Path) -> None:
    options = ["--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(tmp_path / "openapi.json")]

    call_command("spectacular", *options)

    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"].startswith("3.1.")


def test_every_route_is_an_operation_and_every_operation_is_a_route(document: dict[str, Any]) -> None:
    described = {(method, path) for path, item in document["paths"].items() for method in METHODS & item.keys()}

    assert described == routes()


def test_every_operation_has_an_id_of_its_own_and_explains_itself(document: dict[str, Any]) -> None:
    described = list(operations(document))

    assert len({operation["operationId"] for operation in described}) == len(described)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)+", operation["operationId"]) for operation in described)
    assert all(operation["summary"] and operation["description"] for operation in described)


def test_every_operation_needs_a_token(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert [(scheme["type"], scheme["scheme"]) for scheme in schemes.values()] == [("http", "bearer")]

    for operation in operations(document):
        assert operation["security"] == [{name: []} for name in schemes]
        assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


def test_every_error_is_problem_details(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"]
            if int(status) >= 400:
                assert list(answer["content"]) == [PROBLEM_JSON]


def test_every_429_gives_the_quota_and_when_to_try_again(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= operation["responses"]["429"]["headers"].keys()


def test_every_problem_of_the_code_is_in_the_document_and_the_other_way_round(document: dict[str, Any]) -> None:
    described = {
        schema["properties"]["type"]["const"].removeprefix("/problems/") for schema in problem_schemas(document)
    }

    assert described == slugs_in_the_code()


def test_every_problem_is_one_flat_schema_of_all_its_members(document: dict[str, Any]) -> None:
    for schema in problem_schemas(document):
        assert schema.keys() == {"type", "description", "properties", "required"}
        assert {"type", "title", "status", "detail", "instance"} <= schema["properties"].keys()
        assert set(schema["required"]) == schema["properties"].keys() - {"detail"}


def test_every_problem_has_the_status_of_its_answers(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            for example in answer.get("content", {}).get(PROBLEM_JSON, {"examples": {}})["examples"].values():
                assert str(example["value"]["status"]) == status


def test_every_problem_is_answered_by_an_operation(document: dict[str, Any]) -> None:
    answered = {
        example["value"]["type"]
        for content in contents(document)
        for example in content["examples"].values()
        if isinstance(example["value"], dict) and "type" in example["value"]
    }

    unanswered = {f"/problems/{slug}" for slug in slugs_in_the_code()} - answered
    assert unanswered == {"/problems/method-not-allowed"}


def test_the_documentation_lists_every_problem_with_its_status_and_members() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \| ([^|]*)\|$", (settings.BASE_DIR / "docs/api.md").read_text(), re.M)
    listed = {
        (int(status), slug, frozenset(re.findall(r"\w+", members)))
        for status, slugs, members in rows
        for slug in re.findall(r"`([a-z-]+)`", slugs)
    }

    assert listed == {
        (problem_type.status, problem_type.slug, frozenset(problem_type.members)) for problem_type in declared_types()
    }


def test_every_body_has_an_example_that_keeps_to_its_schema(document: dict[str, Any]) -> None:
    for content in contents(document):
        assert content["examples"]
        for example in content["examples"].values():
            assert faults(document, content["schema"], example["value"]) == []


def unbounded(document: dict[str, Any], schema: Any, path: str = "") -> Iterator[str]:
    """Return the places in a schema whose texts, lists or free members have no maximum."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema, path = document["components"]["schemas"][name], f"{path} {name}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "string" in kinds and not {"maxLength", "enum", "const"} & schema.keys():
        yield f"{path}: text"
    if "array" in kinds and "maxItems" not in schema:
        yield f"{path}: list"
    if "object" in kinds and schema.get("additionalProperties") is not False and "maxProperties" not in schema:
        yield f"{path}: members"
    if not {"type", "oneOf", "anyOf", "allOf", "enum"} & schema.keys() and schema != IGNORED:
        yield f"{path}: anything"
    inner = {**schema.get("properties", {}), "*": schema.get("additionalProperties"), "[]": schema.get("items")}
    inner |= {
        f"{word} {i}": part for word in ("oneOf", "anyOf", "allOf") for i, part in enumerate(schema.get(word, []))
    }
    for name, part in inner.items():
        if isinstance(part, dict):
            yield from unbounded(document, part, f"{path}/{name}")


def test_everything_in_the_body_of_a_request_has_a_maximum(document: dict[str, Any]) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]["schema"]
        for operation in operations(document)
        if "requestBody" in operation
    }

    assert len(bodies) == 9
    assert [place for name, schema in bodies.items() for place in unbounded(document, schema, name)] == []


@pytest.mark.parametrize(
    ("component", "body"),
    [
        ("CommitRequest", {"valeus": {}}),
        ("CommitRequest", {"values": []}),
        ("CommitRequest", {"note": ""}),
        ("CommitRequest", {"note": "x" * 4001}),
        ("CommitRequest", {"note": " \n"}),
        ("CommitRequest", {"values": {f"a{number}": 1 for number in range(51)}}),
        ("CommitRequest", {"checklist": {"on_ice": "yes"}}),
        ("CommitRequest", {"deviations": [{"slot": "minutes", "reason": "late"}] * 51}),
        ("CommitRequest", {"performed_at": "2026-11-23 09:14"}),
        ("CommitRequest", {"deviations": [{"slot": "Minutes", "reason": "late"}]}),
        ("AmendRequest", {"reason": "late"}),
        ("AmendRequest", {"reason": "late", "amends": 0}),
        ("AmendRequest", {"reason": "late", "amends": 2**53}),
        ("ResumeRequest", {"reason": "done"}),
        ("StartRequest", {"procedure": "Gibson"}),
        ("StartRequest", {"procedure": None}),
        ("ProcedureRequest", {"key": "gibson", "title": "Gibson", "steps": []}),
        ("StepRequest", {"key": "measure", "title": "Measure", "skippable": "no"}),
        ("StepRequest", {"key": "measure", "title": "Measure", "slots": [{}] * 51}),
        ("SlotRequest", {"key": "minutes", "label": "Minutes", "type": "number"}),
        ("SlotRequest", {"key": "minutes", "label": "Minutes", "type": "choice", "options": []}),
    ],
)
def test_a_body_that_the_serializers_refuse_does_not_match_the_schema(
    document: dict[str, Any], component: str, body: object
) -> None:
    assert faults(document, document["components"]["schemas"][component], body)


@pytest.mark.parametrize(
    ("component", "body"),
    [
        ("CommitRequest", {"note": None, "performed_at": None}),
        ("ResumeRequest", {}),
        ("StepRequest", {"key": "measure", "title": "Measure", "role": None, "expected_duration_s": None}),
        ("SlotRequest", {"key": "ph", "label": "pH", "type": "decimal", "min": 6.5, "max": 8}),
    ],
)
def test_a_body_that_the_serializers_accept_matches_the_schema(
    document: dict[str, Any], component: str, body: object
) -> None:
    assert faults(document, document["components"]["schemas"][component], body) == []


def test_what_get_answered_is_a_request_of_put(document: dict[str, Any]) -> None:
    answered = document["paths"]["/procedures/{key}"]["get"]["responses"]["200"]["content"]["application/json"]
    request = document["paths"]["/procedures/{key}"]["put"]["requestBody"]["content"]["application/json"]

    for example in answered["examples"].values():
        assert faults(document, request["schema"], example["value"]) == []


def test_the_document_is_open_to_everybody(client: Client) -> None:
    response = client.get("/openapi.json", headers={"Authorization": "Bearer wrong"})

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.content == documentation.document()


def test_the_document_is_not_sent_to_clients_that_have_it(client: Client) -> None:
    etag = client.get("/openapi.json").headers["ETag"]

    assert client.get("/openapi.json", headers={"If-None-Match": etag}).status_code == 304


class References(HTMLParser):
    """Collects what a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value or "" for name, value in attrs if name in {"src", "href", "data-document"}]


def test_the_page_loads_only_files_that_this_service_has(client: Client) -> None:
    response = client.get("/docs")

    references = References(response.content.decode()).urls
    assert response.status_code == 200
    assert "/openapi.json" in references
    files = [reference for reference in references if reference != "/openapi.json"]
    assert len(files) == 4
    for file in files:
        assert file.startswith("/static/")
        assert finders.find(file.removeprefix("/static/"))


def test_the_script_of_the_page_asks_no_validator_on_the_internet() -> None:
    script = Path(str(finders.find("documentation/docs.js"))).read_text()

    assert "validatorUrl: null" in script
    assert "//" not in re.sub(r" // .*", "", script)
