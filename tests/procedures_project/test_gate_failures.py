"""What goes wrong at the gate: each request is answered once, as a problem, and has one record."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError
from django.test import Client
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from access import authentication
from access.actions import issue_token
from access.roles import Role
from access.wrong_tokens import WrongTokens
from procedures_project import django_pool, gate, request_bodies
from procedures_project.asgi import Application
from rest import error_answers
from rest.outage import DatabaseOutageLog
from rest.rate_limits import Policy
from tests import factories
from tests.conftest import ApiClient
from tests.served import Served, ServedClient, piece, served

pytestmark = pytest.mark.django_db(transaction=True)

GONE = {"type": "http.disconnect"}
BODY = b'{"procedure": "gibson"}'
TOO_LATE = 0.1  # longer than the gate waits before it looks at the bearer
RESPONSES = "django_http_responses_total_by_status_view_method_total"


@pytest.fixture
def application(transactional_db: None) -> Iterator[Served]:
    """The whole application, which remembers nothing of other tests' settings."""
    with served(Application(get_wsgi_application())) as running:
        yield running


@pytest.fixture
def token(person: Callable[[Role], User]) -> str:
    """An operator's token, which no process has met."""
    factories.publish(factories.body("gibson"))
    return issue_token(user=person(Role.OPERATOR), name="gate")


def post_of(token: str, path: str = "/runs", **headers: str) -> dict[str, Any]:
    """Return a request that starts a run, with headers of its own."""
    named = {"host": "testserver", "authorization": f"Bearer {token}", "content-type": "application/json"}
    named |= {"content-length": str(len(BODY))} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 12345),
        "server": ("testserver", 80),
    }


def type_of(answer: Any) -> str:
    """Return which problem an answer is."""
    return str(json.loads(answer.content)["type"].removeprefix("/problems/"))


def refused(slug: str, answer: Any) -> bool:
    """Tell whether an answer is this problem, and ends its connection."""
    return type_of(answer) == slug and answer["Connection"] == "close"


def test_a_body_that_breaks_off_is_answered_and_recorded(application: Served, token: str) -> None:
    with capture_logs() as events:
        answer = application.answer_to(post_of(token), piece(BODY[:5]), GONE)

    assert (answer.status_code, refused("malformed-request", answer)) == (400, True)
    assert [(event["event"], event["status"]) for event in events] == [("request_finished", 400)]


def test_a_slow_client_leaves_the_request_its_time(
    application: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(django_pool, "REQUEST_PATIENCE_SECONDS", 2.0)

    answer = application.answer_to(post_of(token), piece(BODY[:5]), piece(BODY[5:], more=False, delay=2.1))

    assert answer.status_code == 201


def test_a_bearer_about_whom_postgresql_cannot_be_asked_is_told_to_come_again(
    application: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_meta: object) -> None:
        raise OperationalError("the server has gone")

    monkeypatch.setattr(request_bodies, "bearer_in", fail)
    monkeypatch.setattr(error_answers, "outage_log", DatabaseOutageLog())  # which has said nothing yet

    with capture_logs() as events:
        answer = application.answer_to(post_of(token), piece(BODY[:5]), piece(BODY[5:], more=False, delay=TOO_LATE))

    assert (answer.status_code, refused("unavailable", answer), answer["Retry-After"]) == (503, True, "1")
    assert [event["event"] for event in events] == ["database_unavailable", "request_finished"]


def test_of_an_address_that_sent_too_many_wrong_tokens_postgresql_is_not_asked_for_the_bearer_of_a_body(
    application: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_tokens = WrongTokens(Policy("wrong-tokens", quota=1))
    wrong_tokens.count("127.0.0.1")
    monkeypatch.setattr(authentication, "wrong_tokens", wrong_tokens)
    slow = (piece(BODY[:5]), piece(BODY[5:], more=False, delay=TOO_LATE))

    answer = application.answer_to(post_of("prc_wrong"), *slow)

    assert (answer.status_code, refused("too-many-requests", answer)) == (429, True)
    assert application.answer_to(post_of(token), *slow).status_code == 201


def test_a_body_that_is_declared_too_long_is_refused_as_that(application: Served, token: str) -> None:
    answer = application.answer_to(post_of(token, content_length="70000"), piece(BODY))

    assert (answer.status_code, type_of(answer)) == (413, "payload-too-large")


def test_a_failure_of_the_gate_is_a_problem_with_a_record(
    application: Served, viewer: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"status": "500", "view": "<unnamed view>", "method": "GET"}
    before = REGISTRY.get_sample_value(RESPONSES, labels) or 0
    monkeypatch.setattr(gate, "metrics", lambda _meta: 1 / 0)

    with capture_logs() as events:
        answer = ServedClient(viewer, application).get("/metrics")

    assert (answer.status_code, refused("internal-error", answer)) == (500, True)
    assert [event["event"] for event in events] == ["gate_failed", "request_finished"]
    assert REGISTRY.get_sample_value(RESPONSES, labels) == before + 1


def test_a_client_that_does_not_take_its_answer_gets_no_second_one(application: Served, viewer: ApiClient) -> None:
    factories.publish(factories.body("gibson"))
    client = ServedClient(viewer, application)
    client.get("/procedures")
    scope = post_of("") | {"method": "GET", "path": "/procedures", "raw_path": b"/procedures"}
    scope["headers"] = [(b"host", b"testserver"), (b"authorization", client.defaults["HTTP_AUTHORIZATION"].encode())]
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise TimeoutError

    with capture_logs() as events:
        application.run(application.application(scope, lambda: None, send))

    assert sent == ["http.response.start", "http.response.body"]
    assert [event["event"] for event in events] == ["procedure_cache_hit", "request_finished", "answer_not_taken"]


def test_a_request_with_a_chunked_body_is_left_to_django(application: Served, viewer: ApiClient) -> None:
    client = ServedClient(viewer, application)
    client.get("/procedures")
    scope = post_of("", transfer_encoding="chunked") | {"method": "GET", "path": "/procedures"}
    scope |= {"raw_path": b"/procedures"}
    authorization = (b"authorization", client.defaults["HTTP_AUTHORIZATION"].encode())
    kept = [(name, value) for name, value in scope["headers"] if name not in {b"authorization", b"content-length"}]

    answer = application.answer_to(scope | {"headers": [*kept, authorization]}, piece(b"{", more=False))

    assert answer.status_code == 400


def form_of(length: int, cookie: str) -> dict[str, Any]:
    """Return a request that sends a form of so many bytes."""
    media_type = "application/x-www-form-urlencoded"
    return post_of("", "/admin/login/", content_type=media_type, content_length=str(length), cookie=cookie)


@pytest.mark.parametrize("cookie", ["", "sessionid=0123456789abcdef0123456789abcdef"])
def test_whoever_is_not_logged_in_sends_no_long_form(application: Served, cookie: str) -> None:
    answer = application.answer_to(form_of(settings.MAX_BODY_BYTES + 1, cookie), piece(b"a"))

    assert (answer.status_code, refused("payload-too-large", answer)) == (413, True)


def test_whoever_is_not_logged_in_sends_no_long_form_in_chunks(application: Served) -> None:
    scope = form_of(0, "") | {"headers": [(b"host", b"testserver"), (b"transfer-encoding", b"chunked")]}

    answer = application.answer_to(scope, piece(b"a" * (settings.MAX_BODY_BYTES + 1)))

    assert (answer.status_code, refused("payload-too-large", answer)) == (413, True)


def test_whoever_is_logged_in_sends_a_long_form(application: Served, client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin", password=None))
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    form = b"a" * (settings.MAX_BODY_BYTES + 1)

    answer = application.answer_to(form_of(len(form), cookie), piece(form, more=False))

    assert answer.status_code == 403  # the form has no token against forgery
