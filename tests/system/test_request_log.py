"""The log of a real server: one JSON object a line, and of each request the line that docs/operations.md explains."""

import json
import re

import httpx
import pytest

from tests import PROJECT_DIR
from tests.system.demo import Answer, Demo

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
UPSTREAM = {"X-Request-ID": "edge-7", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)


def line_of(demo: Demo, answer: httpx.Response) -> Answer:
    """Return the line that a request has left."""
    return demo.events_of(answer)["request_finished"]


@pytest.fixture(scope="module")
def explained() -> set[str]:
    """The fields of that line which the documentation explains."""
    text = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = ROW.findall(text.partition("#### The line of a request")[2].partition("\n#")[0])
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_every_request_has_the_fields_that_are_explained(demo: Demo, explained: set[str]) -> None:
    answers = [demo.get("/procedures"), demo.get("/nowhere"), demo.client(None).get("/docs"), demo.get("/runs")]

    assert [line_of(demo, answer).keys() for answer in answers] == [explained] * 4


def test_a_cached_read_says_where_its_body_came_from_and_the_cache_says_the_same(demo: Demo) -> None:
    with demo.procedure() as key:
        answers = [demo.get(f"/procedures/{key}") for _ in range(8)]

    for answer in answers:
        events = demo.events_of(answer)
        (source,) = {event["source"] for name, event in events.items() if name.startswith("procedure_cache_")}
        finished = events["request_finished"]
        assert (finished["cache_source"], finished["bytes"]) == (source, int(answer.headers["Content-Length"]))
    assert "memory" in {line_of(demo, answer)["cache_source"] for answer in answers}


def test_what_came_from_upstream_stands_beside_our_own_id(demo: Demo) -> None:
    for path in ("/procedures", "/runs"):
        answer = demo.client("viewer").get(path, headers=UPSTREAM | {"X-Forwarded-For": "203.0.113.9"})

        line = line_of(demo, answer)
        assert line["request_id"] == answer.headers["X-Request-ID"] != "edge-7"
        assert (line["upstream_request_id"], line["trace_id"]) == ("edge-7", TRACE_ID)
        assert line["client_address"] == "127.0.0.1"  # nobody here is trusted to say otherwise


def test_a_problem_tells_the_id_that_its_line_has(demo: Demo) -> None:
    client = demo.client("viewer")
    answers = [client.get("/procedures/none"), client.get("/nowhere"), client.patch("/"), client.get("/%2F")]
    answers.append(client.post("/admin/login/"))

    for answer in answers:
        assert answer.json()["request_id"] == line_of(demo, answer)["request_id"]


def test_every_line_is_a_json_object(demo: Demo) -> None:
    demo.get("/procedures")

    said = [line for line in demo.stderr.splitlines()[:-1] if line]  # the last may be on its way
    assert said
    assert all("event" in json.loads(line) for line in said)
