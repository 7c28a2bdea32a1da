"""How much one client may cost the others, by dozens of logins, wrong tokens, and more requests than its quota."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path

import httpx
import pytest

from access.passwords import HASHINGS_AT_ONCE
from tests.processes import eventually
from tests.system.demo import Demo

WORKERS = 2
LOGINS = 40
READS, WRITES, WRONG_TOKENS = 30, 5, 5


@pytest.fixture(scope="module")
def hashing_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file where the servers record their hashings."""
    return tmp_path_factory.mktemp("limits") / "hashings"


@pytest.fixture(scope="module")
def limited(hashing_record: Path) -> Iterator[Demo]:
    """A demo with limits."""
    demo = Demo(
        hashing_record.with_name("data"),
        *("--no-sample-data", "--workers", str(WORKERS)),
        PYTHONPATH=str(Path(__file__).parent / "probes"),
        HASHING_RECORD=str(hashing_record),
        TOKEN_READS_PER_MINUTE=str(READS),
        TOKEN_WRITES_PER_MINUTE=str(WRITES),
        WRONG_TOKENS_PER_MINUTE=str(WRONG_TOKENS),
    )
    try:
        yield demo.wait_until_ready()
    finally:
        demo.stop()


def log_in(demo: Demo, csrf_token: str, name: str) -> httpx.Response:
    """Send the login form of a name with a wrong password."""
    return httpx.post(
        f"{demo.base_url}/admin/login/",
        data={"username": name, "password": "wrong", "csrfmiddlewaretoken": csrf_token},
        headers={"Cookie": f"csrftoken={csrf_token}"},
        timeout=60,
        trust_env=False,
    )


@pytest.fixture
def csrf_token(limited: Demo) -> str:
    """The token that a login form needs."""
    return str(httpx.get(f"{limited.base_url}/admin/login/", trust_env=False).cookies["csrftoken"])


def most_at_once(lines: list[str]) -> dict[str, int]:
    """Return the largest number of hashings that ran at once, by process."""
    steps: dict[str, list[int]] = {}
    for process, step in map(str.split, lines):
        steps.setdefault(process, []).append(int(step))
    return {process: max(accumulate(own)) for process, own in steps.items()}


def test_forty_logins_at_once_hash_two_passwords_at_a_time_in_each_worker(
    limited: Demo, csrf_token: str, hashing_record: Path
) -> None:
    before = len(hashing_record.read_text().splitlines())
    names = [f"nobody-{number}" for number in range(LOGINS)]

    with ThreadPoolExecutor(LOGINS) as people:
        logins = [people.submit(log_in, limited, csrf_token, name) for name in names]
        meanwhile = [limited.client("viewer").get("/procedures").status_code for _ in range(READS // 2)]
        statuses = [login.result().status_code for login in logins]

    lines = hashing_record.read_text().splitlines()[before:]
    answered = statuses.count(200)  # whoever has no turn within 2 s, on a busy machine, is refused
    assert answered >= HASHINGS_AT_ONCE
    assert set(statuses) <= {200, 503}
    assert meanwhile == [200] * (READS // 2)
    assert len(lines) == 2 * answered
    assert max(most_at_once(lines).values()) <= HASHINGS_AT_ONCE


def test_a_name_is_locked_out_whichever_worker_is_asked(limited: Demo, csrf_token: str) -> None:
    before = limited.samples().total("backend_lockouts_total")

    statuses = [log_in(limited, csrf_token, "mkoch").status_code for _ in range(8)]

    assert statuses == [200] * 4 + [429] * 4
    assert limited.samples().total("backend_lockouts_total") == before + 1
    eventually(lambda: [event["username"] for event in limited.events("login_failed")][-8:] == ["mkoch"] * 8)


def test_a_name_is_locked_out_without_redis(limited: Demo, csrf_token: str) -> None:
    limited.kill_valkey()
    try:
        statuses = [log_in(limited, csrf_token, "without-redis").status_code for _ in range(6)]
    finally:
        limited.start_valkey()

    assert statuses == [200] * 4 + [429] * 2


def test_each_worker_gives_a_token_its_quota_and_no_more(limited: Demo) -> None:
    author, operator = limited.client("author"), limited.client("operator")

    reads = Counter(author.get("/procedures").status_code for _ in range(WORKERS * READS + 10))
    writes = Counter(
        operator.post("/runs", json={"procedure": "unheard-of"}).status_code for _ in range(WORKERS * WRITES + 10)
    )

    assert reads.keys() == {200, 429}
    assert READS <= reads[200] <= WORKERS * READS
    assert writes.keys() == {404, 429}
    assert WRITES <= writes[404] <= WORKERS * WRITES


def test_wrong_tokens_are_refused_and_valid_ones_from_the_same_address_are_not(limited: Demo) -> None:
    ask = partial(httpx.get, f"{limited.base_url}/runs", trust_env=False)
    wrong = [
        ask(headers={"Authorization": f"Bearer prc_guess{number}"}) for number in range(WORKERS * WRONG_TOKENS + 10)
    ]

    statuses = Counter(answer.status_code for answer in wrong)
    assert statuses.keys() == {401, 429}
    assert WRONG_TOKENS <= statuses[401] <= WORKERS * WRONG_TOKENS
    assert {limited.client("supervisor").get("/runs").status_code for _ in range(READS)} == {200}
    assert limited.samples().total("backend_requests_limited_total", policy="wrong-tokens") == statuses[429]
