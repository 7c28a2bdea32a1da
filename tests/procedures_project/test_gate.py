"""The fast path answers exactly like Django and the view set, and leaves everything unusual to them."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from prometheus_client import REGISTRY
from redis import Redis
from structlog.testing import capture_logs

from access import authentication
from access.actions import issue_token
from access.authentication import Bearers
from access.roles import Role
from procedures_project.asgi import Application
from procedures_project.gate import MIDDLEWARES
from procedures_project.logging_config import add_request_id
from runs.models import Run
from tests import factories
from tests.conftest import ApiClient
from tests.processes import eventually
from tests.served import Served, ServedClient, served
from versioned_cache.http.fast_path import MAX_PATH_LENGTH, FastRequest

UNUSUAL_ACCEPT = "application/json, */*;q=0.1"  # asks for the same, but is not a request for the fast path
HTTPS = {"X-Forwarded-Proto": "https"}
# The first is the record, which the fast path keeps too; the others are for pages, forms, files and other methods.
WITHOUT_A_SAY = {
    "procedures_project.request_records.RequestRecordMiddleware",
    "procedures_project.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "access.logins.PasswordsBusyMiddleware",
    "axes.middleware.AxesMiddleware",
    "procedures_project.refusals.MethodNotAllowedMiddleware",
}
STATEMENTS = "django_db_execute_total"
RESPONSES = "django_http_responses_total_by_status_view_method_total"
OF_THIS_ANSWER = {"x-request-id", "server-timing"}


@pytest.fixture
def application(transactional_db: None) -> Iterator[Served]:
    """The whole application, which remembers nothing of other tests' settings."""
    with served(Application(get_wsgi_application())) as running:
        yield running


@pytest.fixture
def viewer(application: Served, viewer: ApiClient) -> ServedClient:
    """A client that may read, of the whole application."""
    return ServedClient(viewer, application)


@pytest.fixture
def paths(person: Callable[[Role], User], transactional_db: None) -> list[str]:
    """What the fast path answers."""
    run: Run = factories.start(person(Role.OPERATOR), factories.body("gibson"))
    return ["/procedures", "/procedures/gibson", f"/runs/{run.pk}"]


def answered(client: ApiClient, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return an answer's status, its headers and its body."""
    answer: Any = client.generic(method, path, headers=headers)
    compared = {name: value for name, value in answer.items() if name.lower() not in OF_THIS_ANSWER}
    return answer.status_code, compared, answer.content


def assert_both_ways_alike(client: ApiClient, path: str, method: str = "GET", **headers: str) -> dict[str, str]:
    """Compare an answer of the fast path with Django's, and return its headers."""
    # Django first: it makes the coding that is asked for, which the fast path only takes from memory.
    slow_status, slow, slow_body = answered(client, path, method, Accept=UNUSUAL_ACCEPT, **headers)
    status, quick, body = answered(client, path, method, **headers)

    assert status < 400
    assert "Allow" not in quick
    del slow["Allow"]  # REST framework names the methods with every answer
    assert (status, quick, body) == (slow_status, slow, slow_body), headers
    return quick


def warm(client: ApiClient, paths: list[str]) -> dict[str, str]:
    """Read each path, so that the process holds its body and knows the token; return the entity tags."""
    return {path: client.get(path)["ETag"] for path in paths}


def test_a_read_on_the_fast_path_asks_postgresql_nothing(viewer: ApiClient, paths: list[str]) -> None:
    warm(viewer, paths)
    before = REGISTRY.get_sample_value(STATEMENTS, {"alias": "default", "vendor": "postgresql"})

    assert [viewer.get(path).status_code for path in paths] == [200] * 3

    assert REGISTRY.get_sample_value(STATEMENTS, {"alias": "default", "vendor": "postgresql"}) == before


@pytest.fixture
def _nothing_expires(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Let a test read for as long as it likes: neither a bearer nor a lease expires."""
    monkeypatch.setattr(authentication, "bearers", Bearers(clock=lambda: 0.0))
    settings.CACHE_LEASE_MS = 600_000


def asked_for(tag: str) -> Iterator[dict[str, str]]:
    """Yield the conditions and codings that clients may send for a body with this entity tag."""
    tags = [tag, f'{tag[:-1]}-gzip"', f"W/{tag}", '"1-00000000"', f'"1-00000000", {tag}', "*", "nonsense"]
    codings = ["gzip", "identity", "gzip;q=0", "br", "identity;q=0, gzip", ""]
    conditions = [{}, *({"If-None-Match": tag} for tag in tags)]
    yield from ({**condition, **coding} for condition in conditions for coding in accepted(codings))


def accepted(codings: list[str]) -> list[dict[str, str]]:
    """Return headers that accept each of the codings, and headers that do not mention one."""
    return [{}, *({"Accept-Encoding": coding} for coding in codings)]


@pytest.mark.usefixtures("_nothing_expires")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_both_paths_give_the_same_answer(viewer: ApiClient, paths: list[str], method: str) -> None:
    for path, tag in warm(viewer, paths).items():
        for headers in asked_for(tag):
            assert_both_ways_alike(viewer, path, method, **headers)


def test_the_gzip_form_is_the_body(viewer: ApiClient, paths: list[str]) -> None:
    for path in paths:
        plain = viewer.get(path)
        coded = viewer.get(path, headers={"Accept-Encoding": "gzip"})

        assert coded["Content-Encoding"] == "gzip"
        assert gzip.decompress(coded.content) == plain.content
        assert coded["ETag"] == f'{plain["ETag"][:-1]}-gzip"'
        assert coded["Content-Length"] == str(len(coded.content))
        assert "Accept-Encoding" in coded["Vary"]


@pytest.mark.parametrize("suffix", ["", "-gzip"])
@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_a_304_names_the_body_that_the_client_has(
    viewer: ApiClient, paths: list[str], suffix: str, accepted: str
) -> None:
    for path, tag in warm(viewer, paths).items():
        known_tag = f'{tag[:-1]}{suffix}"'

        answer = viewer.get(path, headers={"If-None-Match": known_tag, "Accept-Encoding": accepted})

        assert (answer.status_code, answer["ETag"]) == (304, known_tag)


def test_the_tier_is_reported(viewer: ApiClient, paths: list[str]) -> None:
    warm(viewer, paths)

    assert viewer.get(paths[0])["Server-Timing"].startswith('cache;desc="memory";dur=')


@pytest.mark.parametrize("coding", ["identity;q=0", "*;q=0"])
def test_a_client_that_excludes_every_coding_is_answered_406(viewer: ApiClient, paths: list[str], coding: str) -> None:
    for path in warm(viewer, paths):
        answer = viewer.get(path, headers={"Accept-Encoding": coding})

        assert answer.status_code == 406
        assert answer.json()["type"] == "/problems/not-acceptable"


@pytest.mark.parametrize(
    ("method", "suffix", "headers", "status"),
    [
        ("GET", "?unknown=1", {}, 400),
        ("GET", "", {"Accept": "text/html"}, 406),
        ("GET", "", {"Authorization": ""}, 401),
        ("GET", "", {"Authorization": "Bearer prc_wrong"}, 401),
        ("GET", "", {"Authorization": "Basic eDp5"}, 401),
        ("PATCH", "", {}, 405),
        ("OPTIONS", "", {}, 405),
    ],
)
def test_a_refused_request_is_refused_on_both_paths(
    viewer: ApiClient, paths: list[str], method: str, suffix: str, headers: dict[str, str], status: int
) -> None:
    warm(viewer, paths)

    for path in paths:
        assert answered(viewer, path + suffix, method, **headers)[0] == status


def test_a_malformed_body_is_refused_on_the_fast_path_too(viewer: ApiClient, paths: list[str]) -> None:
    warm(viewer, paths)

    answer: Any = viewer.generic("GET", paths[0], "{", content_type="application/json")

    assert answer.status_code == 400


def test_a_person_who_may_not_read_is_refused_even_if_the_token_is_known(
    paths: list[str], viewer: ServedClient
) -> None:
    warm(viewer, paths)
    token = issue_token(user=User.objects.create_user("nobody"), name="no groups")
    nobody = ServedClient(ApiClient(token), viewer.application)

    assert [nobody.get(path).status_code for path in paths * 2] == [403] * 6


def test_a_change_is_seen_at_once(viewer: ApiClient, paths: list[str]) -> None:
    warm(viewer, paths)

    factories.publish(factories.body("gibson", title="Changed"))

    assert b'"Changed"' in viewer.get("/procedures").content
    assert b'"Changed"' in viewer.get("/procedures/gibson").content


@pytest.fixture
def proxy_settings(settings: Any) -> None:
    """Settings that want HTTPS, and let the proxy tell what the client spoke."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


@pytest.fixture
def behind_a_proxy(proxy_settings: None, viewer: ServedClient) -> ServedClient:
    """A client of an application that was started with these settings."""
    return viewer


def test_both_paths_give_the_same_answer_behind_a_proxy_that_speaks_tls(
    behind_a_proxy: ServedClient, paths: list[str]
) -> None:
    for path in paths:
        behind_a_proxy.get(path, headers=HTTPS)

        headers = assert_both_ways_alike(behind_a_proxy, path, **HTTPS)

        assert headers["Strict-Transport-Security"] == "max-age=3600"


def test_plain_http_is_redirected_to_https_on_the_fast_path_too(behind_a_proxy: ServedClient, paths: list[str]) -> None:
    path = paths[0]
    assert [behind_a_proxy.get(path, headers=HTTPS).status_code for _ in range(2)] == [200, 200]

    assert [behind_a_proxy.get(path).status_code for _ in range(2)] == [301, 301]


def test_the_fast_path_asks_every_middleware_that_matters_to_it() -> None:
    asked = [f"{middleware.__module__}.{middleware.__name__}" for middleware in MIDDLEWARES]

    assert [name for name in settings.MIDDLEWARE if name not in WITHOUT_A_SAY] == asked


def test_no_setting_makes_a_middleware_need_more_than_it_gets() -> None:
    assert not settings.DISALLOWED_USER_AGENTS
    assert not settings.USE_X_FORWARDED_HOST
    assert not settings.USE_X_FORWARDED_PORT


def test_a_foreign_host_is_refused_on_the_fast_path_too(viewer: ServedClient, paths: list[str]) -> None:
    warm(viewer, paths)

    for _ in range(2):
        assert viewer.get(paths[0], headers={"Host": "elsewhere.example"}).status_code == 400


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/nowhere", 404), (f"/procedures/{'x' * 200}", 404)])
def test_a_path_that_leads_elsewhere_is_left_to_django(
    viewer: ServedClient, paths: list[str], path: str, status: int
) -> None:
    warm(viewer, paths)

    assert [viewer.get(path).status_code for _ in range(2)] == [status, status]


def test_a_path_longer_than_any_cached_reads_is_not_remembered(viewer: ServedClient, paths: list[str]) -> None:
    warm(viewer, paths)
    fast_path = viewer.application.application.gate.fast_path
    before = fast_path.paths_remembered

    for length in (MAX_PATH_LENGTH, MAX_PATH_LENGTH + 1):
        viewer.get("/".ljust(length, "x"))

    assert fast_path.paths_remembered == before + 1


def test_a_read_that_fails_is_left_to_django(
    viewer: ServedClient, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(viewer, paths)
    monkeypatch.setattr(FastRequest, "answer", lambda *_: 1 / 0)

    with capture_logs() as events:
        answer = viewer.get("/procedures")

    assert answer.status_code == 200
    assert "Allow" in answer
    assert [event["event"] for event in events] == ["fast_path_failed", "procedure_cache_hit", "request_finished"]


def test_a_read_of_something_absent_is_left_to_the_view_set(viewer: ServedClient, paths: list[str]) -> None:
    warm(viewer, paths)

    answer = viewer.get("/procedures/unheard-of")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/procedure-not-found")


def test_a_read_on_the_fast_path_leaves_a_record_like_any_other(viewer: ServedClient, paths: list[str]) -> None:
    warm(viewer, paths)
    labels = {"status": "200", "view": "procedure-detail", "method": "GET"}
    before = REGISTRY.get_sample_value(RESPONSES, labels) or 0

    with capture_logs(processors=[add_request_id]) as events:
        answer = viewer.get("/procedures/gibson")

    hit, finished = events
    assert (hit["event"], finished["event"]) == ("procedure_cache_hit", "request_finished")
    assert {hit["request_id"], finished["request_id"]} == {answer["X-Request-ID"]}
    assert (finished["method"], finished["route"], finished["status"]) == ("GET", "procedures/<slug:key>", 200)
    assert type(finished["status"]) is int
    assert (finished["cache_source"], finished["bytes"]) == ("memory", len(answer.content))
    assert finished["user_id"] == User.objects.get(username="test-viewer").pk
    assert REGISTRY.get_sample_value(RESPONSES, labels) == before + 1


def test_a_read_that_left_the_fast_path_has_one_record(viewer: ServedClient, paths: list[str], redis: Redis) -> None:
    warm(viewer, paths)
    redis.flushdb()

    with capture_logs(processors=[add_request_id]) as events:
        answer = viewer.get("/procedures")

    assert [event["event"] for event in events].count("request_finished") == 1
    assert {event["request_id"] for event in events} == {answer["X-Request-ID"]}


def test_a_worker_connects_to_redis_before_anybody_reads(redis: Redis, transactional_db: None) -> None:
    def readers() -> set[str]:
        return {client["id"] for client in redis.client_list() if client["name"] == "procedures-reads"}

    before = readers()
    with served(Application(get_wsgi_application())):
        eventually(lambda: readers() - before)
