"""A page of another origin that polls the service, as its browser sees the answers."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from procedures_project.embedded import HOST
from tests.system.demo import Demo, running_demo

PAGE = "https://dashboard.example.com"
STRANGER = "https://elsewhere.example.com"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization,if-none-match",
}


@pytest.fixture(scope="module")
def open_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that scripts of one page may use."""
    data_dir = tmp_path_factory.mktemp("cors") / "data"
    with running_demo(data_dir, "--workers", "1", CORS_ALLOWED_ORIGINS=PAGE) as demo:
        yield demo


def listed(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def assert_readable(answer: httpx.Response) -> None:
    """Check that a script of the page may read the answer, and that no cache gives it to others."""
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "origin" in listed(answer.headers["Vary"])
    assert {"etag", "retry-after", "location", "server-timing"} <= listed(
        answer.headers["Access-Control-Expose-Headers"]
    )
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_page_reads_and_polls(open_demo: Demo) -> None:
    viewer = open_demo.client("viewer")
    for path in ("/procedures", "/procedures/gibson-assembly"):
        for _ in range(3):  # the first is built; a later one is a hit ahead of Django
            hit = viewer.get(path, headers={"Origin": PAGE})
            assert hit.status_code == 200
            assert_readable(hit)
        assert 'desc="memory"' in hit.headers["Server-Timing"]
        assert {"authorization", "accept", "accept-encoding"} <= listed(hit.headers["Vary"])

        unchanged = viewer.get(path, headers={"Origin": PAGE, "If-None-Match": hit.headers["ETag"]})
        assert unchanged.status_code == 304
        assert_readable(unchanged)


@pytest.mark.parametrize(("path", "role", "status"), [("/procedures/none", "viewer", 404), ("/procedures", None, 401)])
def test_the_page_reads_errors(open_demo: Demo, path: str, role: str | None, status: int) -> None:
    answer = open_demo.client(role).get(path, headers={"Origin": PAGE})

    assert answer.status_code == status
    assert_readable(answer)


def test_the_page_reads_what_the_gate_refuses(open_demo: Demo) -> None:
    with socket.create_connection((HOST, open_demo.port)) as connection:
        connection.sendall(
            f"POST /runs HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {PAGE}\r\nContent-Length: 70000\r\n"
            f"Authorization: Bearer {open_demo.tokens['operator']}\r\nContent-Type: application/json\r\n\r\n".encode()
        )
        answer = connection.recv(65536).decode()

    assert answer.startswith("HTTP/1.1 413")
    assert f"access-control-allow-origin: {PAGE}\r\n" in answer.lower()


def test_a_preflight_needs_no_token(open_demo: Demo) -> None:
    for path in ("/procedures", "/runs", "/runs/01938c1e-5d00-7000-8000-000000000001/steps/a/commit"):
        answer = open_demo.client(None).options(path, headers=PREFLIGHT)

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert {"authorization", "if-none-match", "if-match", "idempotency-key", "content-type"} <= listed(
            answer.headers["Access-Control-Allow-Headers"]
        )
        assert {"get", "post", "put", "delete"} <= listed(answer.headers["Access-Control-Allow-Methods"])


def test_scripts_of_other_pages_may_read_nothing(open_demo: Demo) -> None:
    viewer = open_demo.client("viewer")
    for origin in (
        STRANGER,
        "null",
        PAGE.replace("https", "http"),
        f"{PAGE}:8443",
        f"{PAGE}.evil.example",
        "https://[",
    ):
        for _ in range(2):
            answer = viewer.get("/procedures", headers={"Origin": origin})
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers, origin
        preflight = open_demo.client(None).options("/procedures", headers=PREFLIGHT | {"Origin": origin})
        assert "Access-Control-Allow-Origin" not in preflight.headers, origin


def test_the_admin_is_for_no_other_page(open_demo: Demo) -> None:
    answer = open_demo.client(None).get("/admin/login/", headers={"Origin": PAGE})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_the_setting_no_page_reads_anything(demo: Demo) -> None:
    answer = demo.client("viewer").get("/procedures", headers={"Origin": PAGE})
    assert "Access-Control-Allow-Origin" not in answer.headers

    preflight = demo.client(None).options("/procedures", headers=PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in preflight.headers
