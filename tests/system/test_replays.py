"""A repeated request is answered over HTTP as it was at first: the same status, headers and bytes."""

from collections.abc import Iterator

import httpx
import pytest

from tests.factories import item, slot, step
from tests.system.demo import Demo

# Members that jsonb would put in another order, and numbers and texts that are written in more than one way.
VALUES = (
    '{"zeta": "\\u00e9 é \\ud83e\\uddea", "mass": 12.10, "b": 1e2, "aa": -0.0, "choices": ["z", "a"], "late": 99,'
    ' "flag": true}'
)
DEVIATIONS = '[{"reason": "Spilled", "slot": "late"}]'
COMMIT = f'{{"values": {VALUES}, "checklist": {{"zz": true, "b": false}}, "deviations": {DEVIATIONS}, "note": "n"}}'
AMENDMENT = f'{{"reason": "Typo", "amends": 2, {COMMIT[1:]}'
REASON = '{"reason": "Fire \\u0061larm"}'
STEPS = [
    step(
        "measure",
        skippable=True,
        slots=[
            slot("zeta", "text"),
            *(slot(key, "decimal") for key in ("mass", "b", "aa")),
            slot("choices", "multi_choice", options=[{"value": value, "label": value} for value in "az"]),
            slot("late", "integer", max=10, min=1, out_of_range="deviation"),
            slot("flag", "boolean"),
        ],
        checklist=[item("zz"), item("b", required=False)],
    ),
    step("incubate"),
]
DEFINITION = (
    '{"title": "Gr\\u00f6ße", "steps": [{"title": "One", "key": "one", "slots": [{"type": "decimal", "min": 1e1,'
    ' "label": "µ", "key": "x", "max": 12.50}]}], "tags": ["z", "a"], "key": "KEY"}'
)
VERBS: dict[str, tuple[list[tuple[str, str]], str, str]] = {
    "commit": ([], "/steps/measure/commit", COMMIT),
    "skip": ([], "/steps/measure/skip", REASON),
    "amend": ([("/steps/measure/commit", COMMIT)], "/steps/measure/amend", AMENDMENT),
    "pause": ([], "/pause", REASON),
    "resume": ([("/pause", REASON)], "/resume", "{}"),
    "abort": ([], "/abort", REASON),
}
OF_EACH_ANSWER = {"date", "x-request-id", "idempotent-replayed", "connection"}


@pytest.fixture
def run_path(demo: Demo) -> Iterator[str]:
    """The path of a run whose procedure has something of everything."""
    with demo.procedure(steps=STEPS) as key:
        yield f"/runs/{demo.start_run(key)}"


def send(demo: Demo, path: str, body: str, method: str = "POST", role: str = "admin", **headers: str) -> httpx.Response:
    """Send these very bytes."""
    sent = {"Content-Type": "application/json", **headers}
    answer = demo.client(role).request(method, path, content=body.encode(), headers=sent)
    assert answer.status_code in {200, 201}, answer.text
    return answer


def assert_the_same(first: httpx.Response, again: httpx.Response) -> None:
    """Assert that the second answer is the first, and says that it is."""
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert {name: value for name, value in again.headers.items() if name not in OF_EACH_ANSWER} == {
        name: value for name, value in first.headers.items() if name not in OF_EACH_ANSWER
    }
    assert "ETag" in first.headers


def finish(demo: Demo, path: str) -> None:
    """End the run, if it has not ended."""
    demo.client("admin").post(f"{path}/abort", json={"reason": "The end."})


@pytest.mark.parametrize("verb", list(VERBS))
def test_a_repeated_verb_is_answered_to_the_byte(demo: Demo, run_path: str, verb: str) -> None:
    before, path, body = VERBS[verb]
    for earlier, content in before:
        send(demo, run_path + earlier, content)
    first = send(demo, run_path + path, body, **{"Idempotency-Key": "once"})
    finish(demo, run_path)

    assert_the_same(first, send(demo, run_path + path, body, **{"Idempotency-Key": "once"}))


def test_the_repeated_start_of_a_run_is_answered_to_the_byte(demo: Demo) -> None:
    with demo.procedure(steps=STEPS) as key:
        body = f'{{"title": "Gr\\u00f6ße", "external_ref": "12.10", "procedure": "{key}"}}'
        first = send(demo, "/runs", body, **{"Idempotency-Key": key})
        finish(demo, first.headers["Location"])

        assert_the_same(first, send(demo, "/runs", body, **{"Idempotency-Key": key}))


def test_the_repeated_writing_of_a_procedure_is_answered_to_the_byte(demo: Demo) -> None:
    with demo.procedure() as key:
        new = f"{key}-new"
        create = DEFINITION.replace("KEY", new)
        publish = create.replace("One", "Two")
        created = send(demo, "/procedures", create, **{"Idempotency-Key": f"{key}-1"})
        put = {"method": "PUT", "If-Match": created.headers["ETag"], "Idempotency-Key": f"{key}-2"}
        published = send(demo, f"/procedures/{new}", publish, **put)
        demo.delete_procedure(new)

        assert_the_same(created, send(demo, "/procedures", create, **{"Idempotency-Key": f"{key}-1"}))
        assert_the_same(published, send(demo, f"/procedures/{new}", publish, **put))
