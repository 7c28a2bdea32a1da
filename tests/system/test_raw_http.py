"""What HTTP defines and servers hand on unjudged: bytes in, status and type out, over a real socket."""

import socket

import pytest

from procedures_project.embedded import HOST
from tests.processes import eventually
from tests.system.demo import Demo

PROBLEM, JSON, PAGE, NOTHING = "application/problem+json", "application/json", "text/html; charset=utf-8", None
PATIENCE_SECONDS = 30

Answer = tuple[int, dict[str, str], bytes]


def sent(demo: Demo, raw: bytes) -> Answer:
    """Send bytes, and return the status, the headers and the body of the last answer; the server closes after it."""
    received = b""
    with socket.create_connection((HOST, demo.port), PATIENCE_SECONDS) as client:
        client.sendall(raw)
        while piece := client.recv(65_536):
            received += piece
    head, _, body = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, body


def request(demo: Demo, text: str) -> bytes:
    """Return the bytes of a request written with `{host}` and a token for each role; the connection ends with it."""
    lines = text.format(host=f"{HOST}:{demo.port}", **demo.tokens).split("\n")
    head, _, body = "\r\n".join(lines).partition("\r\n\r\n")
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode("latin-1")


READ = "Host: {host}\nAuthorization: Bearer {viewer}"
WRITE = "Host: {host}\nAuthorization: Bearer {operator}\nContent-Length: 2"
BROWSER = "Host: {host}\nAccept: text/html,application/xhtml+xml,*/*;q=0.8"

TARGETS = [
    ("GET http://{host}/procedures HTTP/1.1\n" + READ, 200, JSON),
    ("GET http://{host}/procedures HTTP/1.1\nHost: evil.example\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nHost: evil.example\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET http://evil.example/procedures HTTP/1.1\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nHost: {host}\n" + READ, 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nHost: {host}\nHost: evil.example\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nHost:\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET /procedures HTTP/1.0\nAuthorization: Bearer {viewer}", 400, PROBLEM),
    ("GET * HTTP/1.1\n" + READ, 400, PROBLEM),
    ("GET /procedures%2Fgibson-assembly HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /admin%2flogin/ HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET //procedures HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET //evil.example/%2e%2e HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /static/../../etc/passwd HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /static/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /procedures/a%00b HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /procedures/%FF%FE HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /procedures/%E2%82%AC HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /procedures/%zz HTTP/1.1\n" + READ, 404, PROBLEM),
    ("GET /runs?status=%FF HTTP/1.1\n" + READ, 400, PROBLEM),
    ("GET /runs?status=%00 HTTP/1.1\n" + READ, 400, PROBLEM),
    ("GET /runs?started_after=2026-01-01T00:00:00+00:00 HTTP/1.1\n" + READ, 400, PROBLEM),  # a plus is a space
    ("GET /runs?started_after=2026-01-01T00:00:00%2B00:00 HTTP/1.1\n" + READ, 200, JSON),
    ("GET /" + "a" * 15_000 + " HTTP/1.1\n" + READ, 404, PROBLEM),
]
COSTLY = [
    ("POST /runs HTTP/1.1\n" + WRITE + "\nContent-Type: application/json; a=" + "b" * 300 + "\n\n{{}}", 400, PROBLEM),
    ("GET /admin/login/ HTTP/1.1\n" + BROWSER + '\nCookie: csrftoken="' + "\\a" * 600 + '"', 400, PAGE),
    ("GET /admin/login/ HTTP/1.1\n" + BROWSER + '\nCookie: messages="' + "\\054" * 500 + '"', 200, PAGE),
]
UNREADABLE = [
    ("GET /procedures HTTP/1.1\nAccept: application/json; a*=bogus''b\n" + READ, 406, PROBLEM),
    ("GET /nothing HTTP/1.1\nAccept: text/html; a*=bogus''b\nHost: {host}", 404, PROBLEM),
    ("BREW /docs HTTP/1.1\nAccept: text/html; a*=bogus''b, text/html\nHost: {host}", 501, PAGE),
    ("GET /runs?limit=1 HTTP/1.1\nContent-Type: a/b; charset=rot13\n" + READ, 200, JSON),
    ("GET /admin/login/?next=/ HTTP/1.1\nContent-Type: a/b; charset*=utf-8''a%00b\n" + BROWSER, 200, PAGE),
    ("POST /runs HTTP/1.1\nContent-Type: application/json; a*=bogus''b\n" + WRITE + "\n\n{{}}", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json; charset*=utf-8''a%00b\n" + WRITE + "\n\n{{}}", 415, PROBLEM),
    ("POST /admin/login/ HTTP/1.1\nContent-Type: multipart/form-data; boundary=a; charset=utf-7\nContent-Length: 2\n"
     + BROWSER + "\n\n{{}}", 415, PAGE),
    ("GET /admin/ HTTP/1.1\nCookie: sessionid=\"abcdefgh\\000\"\n" + BROWSER, 400, PAGE),
]  # fmt: skip
STATIC = "GET /static/console/console.js HTTP/1.1\nHost: {host}\nAccept-Encoding: "
METHODS = [
    ("get /procedures HTTP/1.1\n" + READ, 501, PROBLEM),
    ("Get /healthz HTTP/1.1\n" + READ, 501, PROBLEM),
    ("post /admin/login/ HTTP/1.1\n" + READ, 501, PROBLEM),
    ("BREW /docs HTTP/1.1\n" + READ, 501, PROBLEM),
    ("BREW /docs HTTP/1.1\n" + BROWSER, 501, PAGE),
    ("A" * 9_000 + " /procedures HTTP/1.1\n" + READ, 501, PROBLEM),
    ("CONNECT evil.example:443 HTTP/1.1\n" + READ, 501, PROBLEM),
    ("CONNECT /procedures HTTP/1.1\n" + READ, 501, PROBLEM),
    ("TRACE /procedures HTTP/1.1\n" + READ, 405, PROBLEM),
    ("PATCH /procedures HTTP/1.1\n" + READ, 405, PROBLEM),
    ("OPTIONS /procedures HTTP/1.1\n" + READ, 405, PROBLEM),
    ("POST /healthz HTTP/1.1\n" + READ, 405, PROBLEM),
    ("POST /docs HTTP/1.1\n" + BROWSER, 405, PAGE),
    ("POST /static/documentation/docs.js HTTP/1.1\n" + READ, 405, PROBLEM),
    ("PUT /static/documentation/docs.js HTTP/1.1\n" + BROWSER, 405, PAGE),
    ("GET /console/sign-out HTTP/1.1\n" + READ, 405, PROBLEM),
    ("GET /console/sign-out HTTP/1.1\n" + BROWSER, 405, PAGE),
]
NEGOTIATION = [
    ("GET /procedures HTTP/1.1\nAccept:\n" + READ, 200, JSON),
    ("GET /procedures HTTP/1.1\nAccept: application/json;q=0, */*\n" + READ, 406, PROBLEM),
    ("GET /procedures HTTP/1.1\nAccept: application/*;q=0.1\n" + READ, 200, JSON),
    ("GET /procedures HTTP/1.1\nAccept: text/html\n" + READ, 406, PROBLEM),
    ("GET /procedures HTTP/1.1\nAccept: ;;;q=, /\n" + READ, 406, PROBLEM),
    ("GET /procedures HTTP/1.1\nAccept-Encoding:\n" + READ, 200, JSON),
    ("GET /procedures HTTP/1.1\nAccept-Encoding: identity;q=0\n" + READ, 406, PROBLEM),
    ("GET /procedures HTTP/1.1\nAccept-Encoding: gzip, identity;q=0\n" + READ, 200, JSON),
]
HEADERS = [
    ("GET /procedures HTTP/1.1\nHost: {host}\nAuthorization_: Bearer {viewer}", 401, PROBLEM),
    ("GET /procedures HTTP/1.1\nAuthorization: Bearer {viewer}\n" + READ, 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nAuthorization: Bearer wrong\n" + READ, 400, PROBLEM),
    ("GET /procedures HTTP/1.1\nHost: {host}\nauthorization: bearer  {viewer}", 200, JSON),
    ("GET /procedures HTTP/1.1\nX:" + " a" * 9_000 + "\n" + READ, 431, NOTHING),
]
BODIES = [
    ("POST /runs HTTP/1.1\nContent-Type: application/json; charset=\"UTF-8\"\n" + WRITE + "\n\n[]", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: APPLICATION/JSON\n" + WRITE + "\n\n[]", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json; charset=latin-1\n" + WRITE + "\n\n{{}}", 415, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: text/plain\n" + WRITE + "\n\n{{}}", 415, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type:\n" + WRITE + "\n\n{{}}", 415, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json\nContent-Type: text/html\n" + WRITE + "\n\n[]", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nIdempotency-Key: a\nIdempotency-Key: b\n" + WRITE + "\n\n{{}}", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json\nExpect: 100-continue\n" + WRITE + "\n\n[]", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Length: 3\n" + WRITE + "\n\n{{}}", 400, NOTHING),
    ("POST /runs HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: gzip, chunked\n" + WRITE
     + "\n\n2\n[]\n0\n\n", 501, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked\n" + WRITE
     + "\n\nzz\n[]\n0\n\n", 400, PROBLEM),
    ("POST /runs HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked\n" + WRITE
     + "\n\n2\n[]\n0\n\n", 400, PROBLEM),
    ("POST /admin/login/ HTTP/1.1\n" + BROWSER + "\nContent-Length: 9999999\n\n", 413, PAGE),
    ("POST /admin/login/ HTTP/1.1\n" + BROWSER + "\nContent-Length: 0\n\n", 403, PAGE),
]  # fmt: skip
PLACES = [
    ("GET / HTTP/1.1\n" + BROWSER, 302, PAGE),
    ("GET / HTTP/1.1\nHost: {host}", 200, JSON),
    ("GET /admin HTTP/1.1\n" + BROWSER, 302, PAGE),
    ("GET /nothing HTTP/1.1\n" + BROWSER, 404, PAGE),
    ("GET /nothing HTTP/1.1\nHost: evil.example\nAccept: text/html", 400, PAGE),
]


@pytest.mark.parametrize(
    ("text", "status", "media_type"),
    [*TARGETS, *COSTLY, *UNREADABLE, *METHODS, *NEGOTIATION, *HEADERS, *BODIES, *PLACES],
    ids=lambda case: str(case)[:50],
)
def test_a_request_is_answered_as_the_standard_says(demo: Demo, text: str, status: int, media_type: str | None) -> None:
    answered, headers, body = sent(demo, request(demo, text))

    assert (answered, headers.get("content-type")) == (status, media_type), body[:300]
    if media_type in {PROBLEM, PAGE} and status >= 400:
        assert len(headers["x-request-id"]) == 32
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in headers
    if status == 405:
        assert ("POST" if "sign-out" in text else "GET") in headers["allow"]
    if status == 401:
        assert headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("gzip;q=0, *;q=0.1", None), ("br", None)],
)
def test_a_static_file_is_compressed_for_those_who_accept_that(demo: Demo, accepted: str, coding: str | None) -> None:
    answered, headers, _ = sent(demo, request(demo, STATIC + accepted))

    assert (answered, headers.get("content-encoding")) == (200, coding)


def test_the_host_header_names_the_service_whatever_the_target_says(demo: Demo) -> None:
    text = "GET http://evil.example/procedures HTTP/1.1\n" + READ
    through_django = text + "\nAccept: application/json, */*"

    statuses = {sent(demo, request(demo, one))[0] for one in (text, text, through_django)}

    assert statuses == {200}  # granian does not tell the authority (procedures_project/request_heads.py)


def test_the_scheme_of_a_target_is_not_believed(demo: Demo) -> None:
    _, headers, _ = sent(demo, request(demo, "GET https://{host}/admin/ HTTP/1.1\n" + BROWSER))

    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("header", ["X_Forwarded_Proto: https", "X-Forwarded_Proto: https", "X_FORWARDED_PROTO: https"])
def test_a_header_with_underscores_imitates_none_of_a_proxy(demo: Demo, header: str) -> None:
    text = f"GET /metrics HTTP/1.1\nHost: {{host}}\n{header}\nX_Forwarded_For: 192.0.2.1\nContent_Length: 5"

    assert sent(demo, request(demo, text))[0] == 200


def test_options_of_the_whole_service_name_its_methods(demo: Demo) -> None:
    status, headers, body = sent(demo, request(demo, "OPTIONS * HTTP/1.1\n" + READ))

    assert (status, body) == (200, b"")
    assert headers["content-length"] == "0"
    assert set(headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    ["/procedures", "/procedures/gibson-assembly", "/runs", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json",
     "/admin/login/", "/static/documentation/docs.js", "/", "/admin", "/problems/not-found", "/nothing"],
)  # fmt: skip
def test_head_is_answered_like_get_without_a_body(demo: Demo, path: str) -> None:
    get = sent(demo, request(demo, f"GET {path} HTTP/1.1\n{READ}"))
    head = sent(demo, request(demo, f"HEAD {path} HTTP/1.1\n{READ}"))

    assert head[0] == get[0]
    assert head[1].get("content-type") == get[1].get("content-type")
    assert head[2] == b""


def test_a_line_of_the_log_is_short_whatever_a_client_sends(demo: Demo) -> None:
    marker = "marker" + "z" * 12_000
    texts = [
        f"GET /{marker} HTTP/1.1\n{READ}",
        f"{marker} / HTTP/1.1\n{READ}",
        f"GET /runs?status={marker} HTTP/1.1\n{READ}",
        f"GET /procedures HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {marker}",
        f"GET /procedures HTTP/1.1\nUser-Agent: {marker}\n{READ}",
        f"GET /procedures HTTP/1.1\nHost: {marker}",
        f"POST /admin/login/ HTTP/1.1\n{BROWSER}\nReferer: https://{marker}\nContent-Length: 0",
    ]
    seen = {event.get("request_id") for event in demo.events("request_finished")}

    ids = {sent(demo, request(demo, text))[1]["x-request-id"] for text in texts}

    eventually(lambda: ids <= {event.get("request_id") for event in demo.events("request_finished")} - seen)
    assert max(map(len, (line for line in demo.stderr.splitlines() if any(one in line for one in ids)))) < 1_000
