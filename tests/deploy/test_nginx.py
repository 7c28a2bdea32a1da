"""The service behind nginx with the files of `deploy/nginx`."""

import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from procedures_project.embedded import HOST
from tests.deploy.site import NAME, NGINX, Site, running_site
from tests.factories import body
from tests.faults.threads import Threads
from tests.processes import run_python

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CLIENTS_ADDRESS = "127.0.0.2"
CLAIMED_ADDRESS = "203.0.113.9"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Two instances behind nginx."""
    with TemporaryDirectory(prefix="procedures-site-") as folder, running_site(Path(folder)) as site:
        yield site


def test_plain_http_is_sent_to_https_by_the_sites_own_name(site: Site) -> None:
    answer = httpx.get(
        f"http://{HOST}:{site.plain_port}/procedures?tag=a", headers={"Host": "elsewhere.example"}, trust_env=False
    )

    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{NAME}/procedures?tag=a")


def test_reads_and_writes_pass_with_their_tags(site: Site) -> None:
    with site.client("author") as author:
        author.headers["Accept-Encoding"] = "identity"
        made = author.post("/procedures", json=body("behind-nginx"))
        assert made.status_code == HTTPStatus.CREATED
        read = author.get("/procedures/behind-nginx")

        again = author.get("/procedures/behind-nginx", headers={"If-None-Match": read.headers["ETag"]})

    assert read.headers["ETag"] == made.headers["ETag"]
    assert again.status_code == HTTPStatus.NOT_MODIFIED


def test_the_service_knows_that_its_client_came_over_tls(site: Site) -> None:
    with site.client() as client:
        page = client.get("/admin/login/")

    assert page.status_code == HTTPStatus.OK
    assert "Secure" in page.headers["Set-Cookie"]


def test_an_address_that_a_client_claims_is_not_believed(site: Site) -> None:
    claims = {"X-Forwarded-For": CLAIMED_ADDRESS, "Referer": f"https://{NAME}/admin/login/"}
    with site.client(address=CLIENTS_ADDRESS) as client:
        client.get("/admin/login/")
        form = {"username": "nobody-here", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/admin/login/", data=form, headers=claims)

    attempts = run_python("manage", "axes_list_attempts", environment=site.environment)

    assert CLIENTS_ADDRESS in attempts
    assert CLAIMED_ADDRESS not in attempts


def test_what_is_for_prometheus_is_not_for_everybody(site: Site) -> None:
    with site.client() as client:
        assert client.get("/metrics").status_code == HTTPStatus.NOT_FOUND


def test_a_body_beyond_all_bounds_does_not_reach_the_service(site: Site) -> None:
    with site.client("author") as author:
        answer = author.post("/procedures", content=b" " * (2 * 1024 * 1024 + 1))

    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_while_one_instance_after_the_other_is_restarted_no_request_fails(site: Site) -> None:
    answers: Counter[str] = Counter()
    written = threading.Lock()
    with site.client("author") as author, site.client("viewer") as viewer:
        author.post("/procedures", json=body("restarted"))

        def read() -> None:
            answer = viewer.get("/procedures")
            answers[f"read {answer.status_code}"] += 1

        def write() -> None:
            with written:
                answer = author.put(
                    "/procedures/restarted", json=body("restarted", tags=[f"n-{sum(answers.values())}"]),
                    headers={"If-Match": "*"},
                )  # fmt: skip
                answers[f"write {answer.status_code}"] += 1

        clients = Threads()
        for work in (read, read, write):
            clients.start(work)
        for instance in site.instances:
            instance.restart()
        clients.go_on(0.5)
        clients.end()
        clients.raise_failures()

    assert set(answers) == {"read 200", "write 200"}
    assert min(answers.values()) > 10
