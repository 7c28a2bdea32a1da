"""The bounds on password hashing."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import argon2
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from access import passwords
from access.passwords import HASHINGS_AT_ONCE, HashingSlots, PasswordsBusy
from tests.access.login_form import LOGIN, log_in

PASSWORD = "a long secret"
REFUSED = "backend_password_hashings_refused_total"


class Probe:
    """Counts the hashings that run at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.most_at_once = 0
        self.count = 0

    def around(self, hashing: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, wrapped so that its calls are counted."""

        def watched(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self._running += 1
                self.count += 1
                self.most_at_once = max(self.most_at_once, self._running)
            try:
                return hashing(*arguments, **options)
            finally:
                with self._lock:
                    self._running -= 1

        return watched


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Probe:
    """A probe in the library that does all password hashing."""
    probe = Probe()
    monkeypatch.setattr(argon2.low_level, "hash_secret", probe.around(argon2.low_level.hash_secret))
    monkeypatch.setattr(argon2.PasswordHasher, "verify", probe.around(argon2.PasswordHasher.verify))
    return probe


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take every slot, and let nobody wait for one."""
    monkeypatch.setattr(passwords, "slots", HashingSlots(HASHINGS_AT_ONCE, wait_seconds=0))
    with ExitStack() as stack:
        for _ in range(HASHINGS_AT_ONCE):
            stack.enter_context(passwords.slots.one())
        yield


def in_threads(operation: Callable[[], Any], count: int) -> list[Any]:
    """Run an action in that many threads at once."""
    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(operation) for _ in range(count)]]


def test_never_more_than_two_passwords_are_hashed_at_once(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "slots", HashingSlots(HASHINGS_AT_ONCE, wait_seconds=60))
    encoded = make_password(PASSWORD)

    checked = in_threads(lambda: check_password(PASSWORD, encoded), 20)
    made = in_threads(lambda: make_password(PASSWORD), 20)

    assert all(checked)
    assert len(set(made)) == 20
    assert (probe.count, probe.most_at_once) == (41, 2)


@pytest.mark.usefixtures("full")
def test_a_hashing_without_a_turn_is_refused_and_counted() -> None:
    before = REGISTRY.get_sample_value(REFUSED) or 0

    with pytest.raises(PasswordsBusy):
        make_password(PASSWORD)

    assert REGISTRY.get_sample_value(REFUSED) == before + 1


@pytest.mark.parametrize("made_by", [Argon2PasswordHasher, PBKDF2PasswordHasher])
def test_a_hash_of_any_kind_takes_a_slot(made_by: type[Any], full: None, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = made_by().encode(PASSWORD, "salt" * 6)

    with pytest.raises(PasswordsBusy):
        check_password(PASSWORD, encoded)


@pytest.mark.parametrize("made_by", [Argon2PasswordHasher, PBKDF2PasswordHasher])
def test_an_old_hash_is_verified_in_one_slot_and_replaced(made_by: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "slots", HashingSlots(1, wait_seconds=0))
    encoded = made_by().encode(PASSWORD, "salt" * 6)
    renewed: list[str] = []

    assert check_password(PASSWORD, encoded, setter=renewed.append)
    assert not check_password("another", encoded)

    assert renewed == [PASSWORD]


def test_a_slot_is_free_again_when_hashing_fails() -> None:
    one = HashingSlots(1, wait_seconds=0)
    with pytest.raises(ZeroDivisionError), one.one():
        raise ZeroDivisionError

    with one.one():
        pass


def test_the_next_hashing_waits_for_its_turn() -> None:
    one = HashingSlots(1, wait_seconds=60)
    order: list[str] = []

    def wait() -> None:
        with one.one():
            order.append("second")

    with one.one():
        second = threading.Thread(target=wait)
        second.start()
        order.append("first")
    second.join()

    assert order == ["first", "second"]


def test_a_hashing_leaves_the_requests_their_time() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert passwords.hash_in_turn(niceness) == niceness() + 10


def test_passwords_are_hashed_as_owasp_recommends() -> None:
    parameters = argon2.extract_parameters(make_password(PASSWORD).removeprefix("argon2"))

    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (47_104, 1, 1)


@pytest.mark.usefixtures("full")
def test_a_login_without_a_turn_is_503_and_does_not_count_as_a_failure(client: Client, db: None) -> None:
    with capture_logs() as events:
        answer = log_in(client, "mkoch")

    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert answer["Content-Type"].startswith("text/html")
    assert "Nothing was done" in answer.content.decode()
    assert [event["event"] for event in events] == ["request_finished"]


def test_a_password_that_cannot_be_hashed_now_is_not_changed(
    admin_client: Client, admin_user: User, full: None
) -> None:
    path = f"/admin/auth/user/{admin_user.pk}/password/"

    answer = admin_client.post(path, {"password1": "a long new secret", "password2": "a long new secret"})

    assert answer.status_code == 503
    assert User.objects.get().password == admin_user.password


def test_an_unknown_name_costs_as_much_as_a_known_one(client: Client, db: None, probe: Probe) -> None:
    User.objects.create_user("mkoch", password=PASSWORD)
    made = probe.count

    for name in ("mkoch", "nobody"):
        log_in(client, name)

    assert probe.count == made + 2


def test_the_login_page_itself_hashes_nothing(client: Client, db: None, full: None) -> None:
    assert client.get(LOGIN).status_code == 200
