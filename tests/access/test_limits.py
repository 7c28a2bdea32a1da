"""Quotas of a token's reads and writes."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from prometheus_client import REGISTRY
from rest_framework.settings import api_settings

from access import limits
from access.limits import TokenLimits, TokenThrottle
from access.policies import POLICIES
from access.roles import Role
from procedures.views import ProcedureViewSet
from procedures_project.asgi import Application
from rest.rate_limits import Policy
from runs.views import RunViewSet
from tests.conftest import ApiClient
from tests.served import ServedClient, served
from versioned_cache.http.fast_path import FastAnswer, FastRequest

READS, WRITES = Policy("reads", 3), Policy("writes", 2)


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give tokens quotas, as settings would."""

    def with_quotas(reads: Policy = READS, writes: Policy = WRITES) -> None:
        monkeypatch.setattr(limits, "token_limits", TokenLimits(reads, writes))
        monkeypatch.setattr(api_settings, "DEFAULT_THROTTLE_CLASSES", [TokenThrottle])
        for view_set in (ProcedureViewSet, RunViewSet):
            monkeypatch.setattr(view_set, "throttle_classes", [TokenThrottle])

    return with_quotas


def start(client: ApiClient) -> Any:
    return client.post("/runs", {"procedure": "unheard-of"})


def test_without_a_setting_there_is_no_limit_and_no_throttle() -> None:
    assert (settings.TOKEN_READS_PER_MINUTE, settings.TOKEN_WRITES_PER_MINUTE) == (0, 0)
    assert api_settings.DEFAULT_THROTTLE_CLASSES == []


def test_reads_beyond_the_quota_are_answered_429(viewer: ApiClient, limited: Callable[..., None]) -> None:
    limited()

    answers = [viewer.get("/runs") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["type"] == "/problems/too-many-requests"
    assert answers[-1].json()["detail"] == "The token has used up its reads for now."
    assert 50 < int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1]["RateLimit-Policy"] == '"reads";q=3;w=60'
    assert answers[-1]["RateLimit"] == f'"reads";r=0;t={answers[-1]["Retry-After"]}'


def test_writes_beyond_the_quota_are_answered_429(operator: ApiClient, limited: Callable[..., None]) -> None:
    limited()

    answers = [start(operator) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[-1]["RateLimit-Policy"] == '"writes";q=2;w=60'


def test_reads_and_writes_have_quotas_of_their_own(operator: ApiClient, limited: Callable[..., None]) -> None:
    limited()
    for _ in range(3):
        start(operator)

    assert operator.get("/runs").status_code == 200


def test_each_token_has_a_quota_of_its_own(
    client_of: Callable[[Role], ApiClient], limited: Callable[..., None]
) -> None:
    limited()
    one, another = client_of(Role.VIEWER), client_of(Role.VIEWER)
    for _ in range(4):
        one.get("/runs")

    assert another.get("/runs").status_code == 200


@pytest.mark.parametrize("unlimited", ["reads", "writes"])
def test_reads_or_writes_may_have_no_limit(operator: ApiClient, limited: Callable[..., None], unlimited: str) -> None:
    limited(**{unlimited: Policy(unlimited, 0)})
    ask = start if unlimited == "writes" else lambda client: client.get("/runs")

    assert 429 not in {ask(operator).status_code for _ in range(10)}


def test_a_quota_of_reads_holds_for_cached_reads_that_the_process_has(
    viewer: ApiClient, limited: Callable[..., None], transactional_db: None
) -> None:
    limited()
    with served(Application(get_wsgi_application())) as application:
        client = ServedClient(viewer, application)
        answers = [client.get("/procedures") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "Allow" not in answers[2], "it did not come from the fast path"


def test_a_quota_holds_for_cached_reads_that_come_together(
    viewer: ApiClient, limited: Callable[..., None], transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited()
    answer, arrived = FastRequest.answer, []

    async def answer_with_the_others(request: FastRequest[Any], *arguments: Any) -> FastAnswer | None:
        arrived.append(request)
        while len(arrived) < 5:
            await asyncio.sleep(0)
        return await answer(request, *arguments)

    with served(Application(get_wsgi_application())) as application, ThreadPoolExecutor(5) as threads:
        client = ServedClient(viewer, application)
        assert client.get("/procedures").status_code == 200
        monkeypatch.setattr(FastRequest, "answer", answer_with_the_others)
        answers = list(threads.map(client.get, ["/procedures"] * 5))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]


def test_a_request_refused_for_another_reason_uses_no_quota(viewer: ApiClient, limited: Callable[..., None]) -> None:
    limited()

    refused = [viewer.generic("PATCH", "/runs").status_code for _ in range(5)]

    assert refused == [405] * 5
    assert viewer.get("/runs").status_code == 200


def test_what_is_refused_is_counted(viewer: ApiClient, limited: Callable[..., None]) -> None:
    limited()
    before = REGISTRY.get_sample_value("backend_requests_limited_total", {"policy": "reads"}) or 0

    for _ in range(5):
        viewer.get("/runs")

    assert REGISTRY.get_sample_value("backend_requests_limited_total", {"policy": "reads"}) == before + 2


def test_every_policy_has_a_name_that_needs_no_escape() -> None:
    assert all(re.fullmatch("[a-z-]+", policy.name) for policy in POLICIES)
