"""Starting and stopping the demo: what a person finds, and when."""

import contextlib
import http.client
import json
import os
import pty
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures_project.demo import ANOTHER_PORT
from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.processes import clean_environment, eventually, free_port, is_gone, processes_of
from tests.system.demo import Demo, running_demo

ROLES = {"viewer", "operator", "supervisor", "author", "admin"}
SAMPLES = [
    "cessna-172-before-takeoff",
    "gibson-assembly",
    "kubeadm-cluster-upgrade",
    "machine-lockout-tagout",
    "postgresql-major-upgrade",
    "production-incident-response",
    "surgical-safety-checklist",
]


@pytest.fixture
def ended_demos() -> Iterator[list[Demo]]:
    """Demos that the test starts and ends; those that still run afterwards are stopped."""
    demos: list[Demo] = []
    yield demos
    for demo in demos:
        demo.stop()


@pytest.fixture(scope="module")
def bare_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of demos without sample data, one after the other."""
    return tmp_path_factory.mktemp("bare") / "data"


def printed_after(word: str, demo: Demo) -> str:
    """Return what the banner says after a word."""
    (line,) = [line for line in demo.stdout.splitlines() if line.startswith(f"  {word} ")]
    return line.removeprefix(f"  {word}").strip()


def files_when_healthz_first_answers(demo: Demo) -> dict[str, str]:
    """Poll /healthz without a pause until it answers 200, and return the private files of that moment."""
    while True:
        assert demo.process.poll() is None, demo.stderr
        connection = http.client.HTTPConnection(HOST, demo.port, timeout=30)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return {name: (demo.data_dir / name).read_text() for name in ("services.json", "tokens.json")}
        except (OSError, http.client.HTTPException):
            time.sleep(0.001)
        finally:
            connection.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_curl_returns_the_seven_sample_procedures(demo: Demo) -> None:
    pasted = subprocess.run(
        ["/bin/bash", "-c", printed_after("Try", demo) + " --fail --silent"], capture_output=True, check=True
    )

    assert [procedure["key"] for procedure in json.loads(pasted.stdout)] == SAMPLES


def test_the_printed_login_opens_the_admin(demo: Demo) -> None:
    url, _, login = printed_after("Admin", demo).partition("  (login: ")
    user, _, password = login.rstrip(")").partition(", password: ")
    client = demo.client(None)
    form = client.get(url, follow_redirects=True)

    answer = client.post(
        form.url,
        data={"username": user, "password": password, "csrfmiddlewaretoken": form.cookies["csrftoken"]},
    )
    page = client.get(url)
    client.cookies.clear()

    assert answer.status_code == 302
    assert page.status_code == 200
    assert "Log out" in page.text


def test_the_admin_refuses_a_wrong_password(demo: Demo) -> None:
    client = demo.client(None)
    form = client.get("/admin/login/")

    answer = client.post(
        form.url,
        data={"username": "admin", "password": "wrong", "csrfmiddlewaretoken": form.cookies["csrftoken"]},
    )
    client.cookies.clear()

    assert answer.status_code == 200
    assert "correct" in answer.text


def test_every_printed_address_answers(demo: Demo) -> None:
    addresses = [printed_after(word, demo).split()[0] for word in ("Admin", "Metrics")]

    answers = [demo.client(None).get(address, follow_redirects=True).status_code for address in addresses]

    assert answers == [200, 200]


@pytest.mark.parametrize("name", ["tokens.json", "services.json", "secrets.json", "valkey.conf"])
def test_private_files_are_for_their_owner_alone(demo: Demo, name: str) -> None:
    assert stat.S_IMODE((demo.data_dir / name).stat().st_mode) == 0o600


def test_tokens_has_exactly_one_token_per_role(demo: Demo) -> None:
    assert set(demo.tokens) == ROLES
    assert len(set(demo.tokens.values())) == len(ROLES)


def test_every_token_opens_the_api(demo: Demo) -> None:
    statuses = {role: demo.client(role).get("/procedures").status_code for role in ROLES}

    assert statuses == dict.fromkeys(ROLES, 200)


def test_services_has_exactly_what_is_promised(demo: Demo) -> None:
    services = demo.read_services()

    assert set(services) == {"base_url", "database_url", "redis_url", "pids", "commands"}
    assert set(services["pids"]) == {"server", "workers", "postgres", "redis"}
    assert set(services["commands"]) == {"redis"}
    assert services["base_url"] == demo.base_url


def test_services_names_processes_that_run(demo: Demo) -> None:
    pids = demo.pids
    running = {process.pid for process in demo.descendants()}

    assert len(pids["workers"]) == 2
    assert {pids["server"], pids["postgres"], pids["redis"], *pids["workers"]} <= running


def test_the_log_goes_to_standard_error_alone(demo: Demo) -> None:
    demo.get("/procedures")

    eventually(lambda: demo.events("request_finished"))
    assert "request_finished" not in demo.stdout


def test_the_first_healthy_answer_finds_complete_files_and_a_restart_keeps_the_data(
    tmp_path: Path, ended_demos: list[Demo]
) -> None:
    data_dir = tmp_path / "data"
    first_demo = Demo(data_dir)
    ended_demos.append(first_demo)
    first_files = files_when_healthz_first_answers(first_demo)
    first_demo.wait_until_ready()
    first_demo.post_procedure({"key": "kept", "title": "Kept", "steps": [{"key": "only", "title": "Only"}]})
    run_id = first_demo.start_run("kept")
    run = first_demo.read(f"/runs/{run_id}")
    exit_code = first_demo.interrupt()
    services_left = (data_dir / "services.json").exists()

    other_demo = Demo(data_dir, port=first_demo.port)
    ended_demos.append(other_demo)
    other_files = files_when_healthz_first_answers(other_demo)
    other_demo.wait_until_ready()

    assert exit_code == 0
    assert not services_left
    assert len(json.loads(first_files["services.json"])["pids"]["workers"]) == 2
    assert len(json.loads(other_files["services.json"])["pids"]["workers"]) == 2
    assert json.loads(first_files["tokens.json"]) == json.loads(other_files["tokens.json"]) == first_demo.tokens
    assert [procedure["key"] for procedure in other_demo.read("/procedures")] == sorted([*SAMPLES, "kept"])
    assert other_demo.read(f"/runs/{run_id}") == run
    assert printed_after("Admin", other_demo) == printed_after("Admin", first_demo)


def test_without_sample_data_there_is_nothing_but_people_and_one_worker_if_so_asked(bare_data_dir: Path) -> None:
    with running_demo(bare_data_dir, "--no-sample-data", "--workers", "1") as demo:
        assert demo.read("/procedures") == []
        assert demo.read("/runs") == {"runs": [], "next": None, "next_cursor": None}
        assert len(demo.pids["workers"]) == 1


def test_a_port_in_use_is_reported_before_anything_is_started(tmp_path: Path, ended_demos: list[Demo]) -> None:
    port = free_port()
    with socket.create_server((HOST, port)):
        refused_demo = Demo(tmp_path / "data", port=port)
        ended_demos.append(refused_demo)
        exit_code = refused_demo.wait_until_ended()

    assert exit_code == 1
    assert refused_demo.stderr == f"port {port} is in use: {ANOTHER_PORT}\n"
    assert not refused_demo.data_dir.exists()


def test_the_port_of_another_demo_is_in_use(demo: Demo, tmp_path: Path, ended_demos: list[Demo]) -> None:
    refused_demo = Demo(tmp_path / "data", port=demo.port)
    ended_demos.append(refused_demo)

    assert refused_demo.wait_until_ended() == 1
    assert refused_demo.stderr == f"port {demo.port} is in use: {ANOTHER_PORT}\n"


def test_a_data_directory_in_use_is_refused_and_its_demo_goes_on(demo: Demo, ended_demos: list[Demo]) -> None:
    services = demo.read_services()

    refused_demo = Demo(demo.data_dir)
    ended_demos.append(refused_demo)

    assert refused_demo.wait_until_ended() == 1
    assert f"{demo.data_dir} is in use" in refused_demo.stderr
    assert demo.read_services() == services
    assert demo.get("/procedures").status_code == 200


@pytest.mark.parametrize(
    ("reached", "signum"),
    [
        ("lock", signal.SIGTERM),
        ("postgres.new-*/base", signal.SIGINT),
        ("valkey.log", signal.SIGHUP),
        ("tokens.json", signal.SIGTERM),
    ],
)
def test_a_signal_during_the_start_leaves_nothing_behind(
    tmp_path: Path, ended_demos: list[Demo], reached: str, signum: signal.Signals
) -> None:
    if signal.getsignal(signum) == signal.SIG_IGN:
        pytest.skip("this session ignores the signal (nohup), and so does what it starts")
    demo = Demo(tmp_path / "data", "--no-sample-data")
    ended_demos.append(demo)
    eventually(lambda: any(demo.data_dir.glob(reached)), seconds=30)

    os.kill(demo.process.pid, signum)
    exit_code = demo.wait_until_ended()

    assert exit_code == 0, demo.stderr
    assert processes_of(demo.data_dir) == []
    assert not (demo.data_dir / "services.json").exists()


def test_ctrl_c_ends_every_process_however_often_it_is_pressed(bare_data_dir: Path) -> None:
    with running_demo(bare_data_dir, "--no-sample-data") as demo:
        descendants = demo.descendants()

        os.killpg(demo.process.pid, signal.SIGINT)
        os.killpg(demo.process.pid, signal.SIGINT)
        eventually(lambda: "Stopping everything" in demo.stderr)
        os.killpg(demo.process.pid, signal.SIGINT)
        exit_code = demo.wait_until_ended()

        assert exit_code == 0
        assert len(descendants) >= 5
        assert all(is_gone(process) for process in descendants)
        assert demo.stderr.endswith("Everything is stopped; the data is kept.\n")


def test_what_the_demo_said_is_shown_again(demo: Demo) -> None:
    argv = [sys.executable, "manage.py", "demo", "--data-dir", str(demo.data_dir), "--show"]

    shown = subprocess.run(argv, cwd=PROJECT_DIR, capture_output=True, text=True, check=True, env=clean_environment())

    assert shown.stdout.strip() == demo.stdout.strip()
    assert "password" in shown.stdout


def test_where_no_demo_runs_there_is_nothing_to_show(tmp_path: Path) -> None:
    argv = [sys.executable, "manage.py", "demo", "--data-dir", str(tmp_path / "none"), "--show"]

    refused = subprocess.run(
        argv, cwd=PROJECT_DIR, capture_output=True, text=True, check=False, env=clean_environment()
    )

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"No demo runs in {tmp_path / 'none'}.\n"
    assert not (tmp_path / "none").exists()


def test_on_a_terminal_there_are_few_lines_and_the_banner_is_the_last(tmp_path: Path) -> None:
    argv = [sys.executable, "manage.py", "demo", "--data-dir", str(tmp_path / "data"), "--port", str(free_port())]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv, cwd=PROJECT_DIR, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=clean_environment()
    ) as process:
        os.close(theirs)
        said = b""
        while b"Ctrl-C stops everything." not in said:
            said += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the terminal ends with its last user
            while piece := os.read(ours, 65536):
                said += piece
    os.close(ours)

    before, _, _ = said.decode().partition("The procedures service runs at")
    assert 1 <= len(before.strip().splitlines()) <= 5, before
    assert str(tmp_path / "data" / "service.log") in before
    assert b"The procedures service" in said
    assert (tmp_path / "data" / "service.log").read_text().count("\n") > 5
    assert process.returncode == 0
