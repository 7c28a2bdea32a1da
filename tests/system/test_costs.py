"""No request costs far more than a plain one to the same place, however its 64 KiB and its head are filled.

What counts is the CPU time of the only worker, as a ratio: nothing is asserted of how long anything takes. What is
linear in the bytes stays far below the ratio, and what is quadratic in them far above.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Any

import httpx
import pytest

from tests.procedures.page_forms import form_on
from tests.system import costs
from tests.system.demo import Demo

RATIO = 12.0
OF_DEFINITIONS = 40.0  # a plain one has one step, and 64 KiB have room for a thousand slots
OF_DRAFTS = 25.0  # a plain one has one step, and the page around it; it may have 200
OF_LOGINS = 5.0  # a plain one hashes a password, which costs more than all that can be said in a form
TIMES = 3  # the cheapest of so many counts: what the worker does meanwhile for itself is nobody's cost
JSON = {"Content-Type": "application/json"}
NOT_AS_PLAIN = {"Accept": "application/json;q=0.9"}  # a read that Django answers

Send = Callable[[], httpx.Response]
Meter = Callable[[Send], float]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with one worker, in which no number of wrong logins or tokens ends the measurement."""
    demo = Demo(
        tmp_path_factory.mktemp("costs") / "data",
        *("--no-sample-data", "--workers", "1"),
        LOGIN_FAILURES="1000",
        WRONG_TOKENS_PER_MINUTE="1000000",
    )
    try:
        demo.wait_until_ready()
        steps = [costs.COSTLY_STEP, {"key": "plain", "title": "Plain"}]
        demo.post_procedure({"key": "costly", "title": "Costly", "ordering": "any", "steps": steps}).raise_for_status()
        yield demo
    finally:
        demo.stop()


@pytest.fixture(scope="module")
def administrator(measured: Demo) -> Iterator[httpx.Client]:
    """A browser in which somebody is signed in who may do everything."""
    with httpx.Client(base_url=measured.base_url, timeout=60, trust_env=False) as browser:
        password = json.loads((measured.data_dir / "secrets.json").read_text(encoding="utf-8"))["ADMIN_PASSWORD"]
        token = form_on(browser.get("/admin/login/").text, "login-form")["csrfmiddlewaretoken"]
        credentials = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
        assert browser.post("/admin/login/", data=credentials).status_code == 302
        yield browser


@pytest.fixture
def published(measured: Demo) -> Iterator[str]:
    """The path of a procedure."""
    with measured.procedure() as key:
        yield f"/procedures/{key}"


@pytest.fixture(scope="module")
def meter(measured: Demo) -> Meter:
    """Returns the CPU seconds that the worker takes for a request."""
    (worker,) = measured.pids["workers"]
    clock = costs.cpu_clock_of(worker)

    def seconds_for(send: Send) -> float:
        before = clock()
        answer = send()
        assert answer.status_code < 500, answer.text
        return clock() - before

    return seconds_for


def too_dear(meter: Meter, plain: Send, costly: Mapping[str, Send], bound: float = RATIO) -> dict[str, float]:
    """Return by which factor each of the requests that cost too much is dearer than the plain one; print all."""
    plain()
    cheap = min(meter(plain) for _ in range(2 * TIMES))
    ratios: dict[str, float] = {}
    for name, send in costly.items():
        for _ in range(TIMES):
            ratios[name] = min(ratios.get(name, float("inf")), meter(send) / cheap)
            if ratios[name] <= bound:
                break
    shown = {name: round(ratio, 1) for name, ratio in ratios.items()}
    print(f"\nplain: {cheap * 1000:.1f} ms, {shown}")  # noqa: T201  # this is what `pytest -s` shows
    return {name: ratio for name, ratio in shown.items() if ratio > bound}


def json_sender(demo: Demo, role: str, method: str, path: str) -> Callable[..., httpx.Response]:
    """Return what sends a body of JSON to an endpoint."""
    return partial(demo.client(role).request, method, path, headers={**JSON, "If-Match": "*"})


def sending(send: Callable[..., httpx.Response], *bodies: Mapping[str, bytes]) -> dict[str, Send]:
    """Return what sends each of the bodies, by name."""
    return {name: partial(send, content=body) for many in bodies for name, body in many.items()}


def test_no_new_definition_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter) -> None:
    send = json_sender(measured, "author", "POST", "/procedures")
    keys = (f"new-{number}" for number in count())

    def send_new(content: bytes) -> httpx.Response:
        return send(content=b'{"key":"%s",%s' % (next(keys).encode(), content[1:]))

    new: dict[str, Send] = {name: partial(send_new, body) for name, body in costs.DEFINITIONS.items()}
    costly = {**new, **sending(send, costs.ANY_JSON)}
    assert too_dear(meter, partial(send_new, costs.PLAIN_DEFINITION), costly, OF_DEFINITIONS) == {}


def test_no_changed_definition_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, published: str) -> None:
    send = json_sender(measured, "author", "PUT", published)

    costly = sending(send, costs.DEFINITIONS, costs.ANY_JSON)
    assert too_dear(meter, partial(send, content=costs.PLAIN_DEFINITION), costly, OF_DEFINITIONS) == {}


VERBS: Mapping[str, dict[str, Any]] = {
    "steps/plain/commit": {},
    "steps/costly/commit": {},
    "steps/plain/amend": {"amends": 2, "reason": "x"},
    "steps/plain/skip": {"reason": "x"},
    "pause": {},
    "resume": {},
    "abort": {"reason": "x"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, verb: str) -> None:
    run_id = measured.start_run("costly")
    send = json_sender(measured, "supervisor", "POST", f"/runs/{run_id}/{verb}")

    plain = partial(send, content=None, json=VERBS[verb])
    assert too_dear(meter, plain, sending(send, costs.ANY_JSON, costs.VALUES)) == {}


def test_no_start_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter) -> None:
    send = json_sender(measured, "operator", "POST", "/runs")

    assert too_dear(meter, partial(send, json={"procedure": "costly"}), sending(send, costs.ANY_JSON)) == {}


def test_no_archiving_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, published: str) -> None:
    send = json_sender(measured, "author", "DELETE", published)

    assert too_dear(meter, send, sending(send, costs.ANY_JSON)) == {}


@pytest.mark.parametrize("path", ["/runs", "/procedures", "/procedures/costly"])
def test_no_header_makes_a_read_cost_far_more(measured: Demo, meter: Meter, path: str) -> None:
    get = partial(measured.client("viewer").get, path)

    costly = {name: partial(get, headers=headers) for name, headers in costs.HEADERS.items()}
    assert too_dear(meter, partial(get, headers=NOT_AS_PLAIN), costly) == {}


def test_no_header_makes_a_write_cost_far_more(measured: Demo, meter: Meter) -> None:
    post = partial(measured.client("operator").post, "/runs", content=b"{}")

    costly = {name: partial(post, headers={**JSON, **headers}) for name, headers in costs.HEADERS.items()}
    assert too_dear(meter, partial(post, headers=JSON), costly) == {}


@pytest.mark.parametrize("path", ["/admin/login/", "/console/sign-in", "/"])
def test_no_header_makes_a_page_cost_far_more(measured: Demo, meter: Meter, path: str) -> None:
    get = partial(measured.client(None).get, path)

    costly = {name: partial(get, headers={"Accept": "text/html", **headers}) for name, headers in costs.HEADERS.items()}
    assert too_dear(meter, partial(get, headers={"Accept": "text/html"}), costly) == {}


@pytest.mark.parametrize("path", ["/runs", "/procedures"])
def test_no_query_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, path: str) -> None:
    get = measured.client("viewer").get

    costly = {name: partial(get, f"{path}?{query}") for name, query in costs.QUERIES.items()}
    assert too_dear(meter, partial(get, f"{path}?limit=1"), costly) == {}


@pytest.mark.parametrize("path", ["/admin/login/", "/console/sign-in"])
def test_no_form_of_nobody_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, path: str) -> None:
    with httpx.Client(base_url=measured.base_url, timeout=60, trust_env=False) as browser:
        csrf_token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(path).text)
        assert csrf_token

        def send(form: tuple[str, bytes]) -> httpx.Response:
            headers = {"Content-Type": form[0], "X-CSRFToken": csrf_token[1]}
            return browser.post(path, content=form[1], headers=headers)

        plain = partial(send, (costs.URLENCODED, b"username=x&password=y"))
        costly = {name: partial(send, form) for name, form in costs.FORMS.items()}
        assert too_dear(meter, plain, costly, OF_LOGINS) == {}


def draft_of(measured: Demo, browser: httpx.Client, key: str, body: bytes) -> tuple[str, dict[str, str]]:
    """Publish a definition and start a draft of it; return the path of the draft's page, and the form there."""
    measured.client("author").post("/procedures", json={"key": key, **json.loads(body)}).raise_for_status()
    found = re.search(r"/admin/procedures/procedure/\d+/", browser.get(f"/admin/procedures/procedure/?q={key}").text)
    assert found
    csrf_token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    path = browser.post(f"{found[0]}draft/", data=csrf_token).headers["Location"]
    return path, form_on(browser.get(path).text, "revision_form")


def test_no_draft_costs_far_more_than_a_plain_one(measured: Demo, meter: Meter, administrator: httpx.Client) -> None:
    get, post = administrator.get, administrator.post
    path, _ = draft_of(measured, administrator, "plain-draft", costs.PLAIN_DEFINITION)
    costly_path, form = draft_of(measured, administrator, "costly-draft", costs.DEFINITIONS["as many steps as may be"])
    deleted = {f"steps-{row}-DELETE": "on" for row in range(199)}

    costly: dict[str, Send] = {
        "read": partial(get, costly_path),
        "saved": partial(post, costly_path, data=form),
        "refused": partial(post, costly_path, data={**form, "title": ""}),
        "refused, with steps to delete": partial(post, costly_path, data={**form, **deleted, "title": ""}),
        "opened on something else": partial(post, costly_path, data={**form, "base": ""}),
    }
    assert too_dear(meter, partial(get, path), costly, OF_DRAFTS) == {}
