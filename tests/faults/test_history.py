"""No read is older than the promise allows, whatever breaks: checked on what clients of a real cluster saw.

The judge is checked first, on histories made by hand. `make prove` runs the faults for longer.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.faults.history.cluster import Cluster, running_cluster
from tests.faults.history.faults import FAULTS, Fault
from tests.faults.history.history import NO_ANSWER, History, Read, Write, judge
from tests.faults.history.load import Things, create_things
from tests.faults.history.proof import Outcome, let_happen
from tests.faults.history.worlds import WORLDS, World
from tests.faults.proxy import Mode, Proxy
from tests.processes import free_port

LEASE_MS = 1000
CUT_OFF, BY_SQL = "one node cut off", "psql and bulk"


def read(at: float, number: int, client: str = "reader", **others: Any) -> Read:
    """Return a read of "it" that began then, and took 10 ms."""
    described: dict[str, Any] = {"view": "/it", "ended": at + 0.01, "status": HTTPStatus.OK, "shown": {"it": number}}
    return Read(client, began=at, **(described | others))


def write(at: float, number: int | None, status: int = HTTPStatus.OK, **others: Any) -> Write:
    """Return a write of "it" that was answered then, and took 10 ms."""
    return Write("writer", "it", number, at - 0.01, at, status, **others)


UNKNOWN = write(2, 2, HTTPStatus.SERVICE_UNAVAILABLE, is_announced=True)
REFUSED = write(2, 2, HTTPStatus.SERVICE_UNAVAILABLE, is_announced=True, is_denied=True)


# The judge


def test_a_history_in_which_every_read_shows_the_last_write_is_clean() -> None:
    history = History([read(1.1, 1), read(2.1, 2), read(2.2, 2)], [write(1, 1), write(2, 2)])

    verdict = judge(history)

    assert (verdict.reads, verdict.writes, verdict.worst_ms) == (3, 2, 0)
    assert not verdict.stale + verdict.backward + verdict.own_backward
    assert not verdict.unexpected + verdict.contradictions


def test_a_read_that_began_after_a_write_was_acknowledged_and_shows_less_is_stale() -> None:
    verdict = judge(History([read(2.3, 1)], [write(1, 1), write(2, 2)]))

    (old,) = verdict.stale
    assert old.known == 2
    assert old.staleness_ms == pytest.approx(300)


def test_what_was_acknowledged_earlier_is_known_from_the_beginning_and_not_counted_again() -> None:
    verdict = judge(History([read(1.1, 1)], earlier=[write(1, 2)]))

    assert len(verdict.stale) == 1
    assert verdict.writes == 0


def test_staleness_counts_from_the_first_write_that_was_missed() -> None:
    verdict = judge(History([read(3.5, 1)], [write(1, 1), write(2, 2), write(3, 3)]))

    assert verdict.worst_ms == pytest.approx(1500)


def test_a_read_that_began_before_the_acknowledgement_may_show_either() -> None:
    verdict = judge(History([read(1.995, 1), read(1.996, 2)], [write(1, 1), write(2, 2)]))

    assert not verdict.stale + verdict.backward


def test_a_late_acknowledgement_of_an_earlier_write_makes_nothing_stale() -> None:
    verdict = judge(History([read(3, 2)], [write(1, 2), write(2, 1)]))

    assert not verdict.stale


@pytest.mark.parametrize("status", [NO_ANSWER, HTTPStatus.SERVICE_UNAVAILABLE])
def test_a_write_that_was_not_acknowledged_may_be_seen_or_not(status: int) -> None:
    writes = [write(1, 1), write(2, 2, status, is_announced=True)]

    assert not judge(History([read(3, 1)], writes)).stale
    assert not judge(History([read(3, 2)], writes)).stale


def test_a_write_that_was_not_acknowledged_may_not_be_seen_and_then_unseen() -> None:
    verdict = judge(History([read(3, 2), read(4, 1)], [write(1, 1), write(2, 2, NO_ANSWER)]))

    (old,) = verdict.backward
    assert (old.read.began, old.known) == (4, 2)
    assert old.staleness_ms == pytest.approx(990)
    assert not verdict.stale


def test_going_back_is_seen_across_clients_and_of_one_client() -> None:
    verdict = judge(History([read(1, 2, "one"), read(2, 1, "other"), read(3, 1, "one")]))

    assert [old.read.client for old in verdict.backward] == ["other", "one"]
    assert [old.read.client for old in verdict.own_backward] == ["one"]


def test_reads_that_overlap_may_show_either() -> None:
    assert not judge(History([read(1, 2), read(1.005, 1)])).backward


def test_two_views_of_a_thing_are_not_compared() -> None:
    assert not judge(History([read(1, 2, view="/all"), read(2, 1)])).backward


def test_a_304_counts_as_showing_what_its_etag_stands_for() -> None:
    verdict = judge(History([read(3, 1, status=HTTPStatus.NOT_MODIFIED)], [write(1, 1), write(2, 2)]))

    assert verdict.not_modified == 1
    assert len(verdict.stale) == 1


def test_each_thing_in_a_list_is_compared_with_its_own_writes() -> None:
    verdict = judge(History([read(3, 1, shown={"it": 1, "other": 7})], [write(1, 1), write(2, 2)]))

    assert [old.thing for old in verdict.stale] == ["it"]


def test_a_relapse_of_redis_excuses_what_was_missed_before_it() -> None:
    history = History([read(1.5, 1), read(3.2, 1)], [write(1, 2)])

    assert [round(old.staleness_ms) for old in judge(history, relapses=[3]).stale] == [500, 200]


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY])
def test_another_answer_is_unexpected(status: int) -> None:
    assert len(judge(History([read(1, 0, status=status, shown={})])).unexpected) == 1
    assert len(judge(History(writes=[write(1, 1, status)])).unexpected) == 1


def test_a_503_is_expected_if_it_says_when_to_try_again() -> None:
    refused: dict[str, Any] = {"status": HTTPStatus.SERVICE_UNAVAILABLE, "shown": {}}

    verdict = judge(History([read(1, 0, **refused, is_announced=True), read(2, 0, **refused)]))

    assert verdict.unavailable == 2
    assert len(verdict.unexpected) == 1


def test_a_304_for_a_body_that_the_client_does_not_have_is_unexpected() -> None:
    assert judge(History([read(1, 0, status=HTTPStatus.NOT_MODIFIED, shown={})])).unexpected


def test_an_etag_that_stands_for_two_contents_is_a_contradiction() -> None:
    verdict = judge(History([read(1, 1, etag='"1"'), read(2, 1, etag='"1"'), read(3, 2, etag='"1"')]))

    assert len(verdict.contradictions) == 1


def test_a_refused_write_that_is_shown_is_found() -> None:
    assert judge(History([read(3, 2)], [REFUSED])).broken_refusals == [REFUSED]
    assert not judge(History([read(3, 1)], [REFUSED])).broken_refusals


def test_a_write_whose_outcome_was_unknown_may_be_shown() -> None:
    assert not judge(History([read(3, 2)], [UNKNOWN])).broken_refusals


@pytest.mark.parametrize(
    ("fault", "history", "failed_invalidations", "violations"),
    [
        (Fault("none", NotImplemented, is_harmless=True), History([read(2.1, 1)], [write(2, 2)]), 0, 1),
        (Fault("none", NotImplemented, is_harmless=True), History([read(1, 2), read(2, 1)]), 0, 1),
        (Fault("none", NotImplemented, is_harmless=True), History(), 3, 1),
        (Fault("some", NotImplemented), History(), 3, 0),
        (Fault("some", NotImplemented), History([read(3.2, 1)], [write(2, 2)]), 0, 0),
        (Fault("some", NotImplemented), History([read(3.3, 1)], [write(2, 2)]), 0, 1),
        (Fault("some", NotImplemented), History(writes=[REFUSED]), 0, 1),
        (Fault("some", NotImplemented, breaks_postgresql=True), History(writes=[REFUSED]), 0, 0),
        (Fault("some", NotImplemented, breaks_postgresql=True), History([read(3, 2)], [REFUSED]), 0, 1),
        (Fault("some", NotImplemented, breaks_postgresql=True), History([read(3, 2)], [UNKNOWN]), 0, 0),
        (Fault("some", NotImplemented), History([read(1, 0, status=NO_ANSWER, shown={})]), 0, 1),
        (Fault("some", NotImplemented, kills_workers=True), History([read(1, 0, status=NO_ANSWER, shown={})]), 0, 0),
    ],
)
def test_a_fault_excuses_what_it_must_and_no_more(
    fault: Fault, history: History, failed_invalidations: int, violations: int
) -> None:
    outcome = Outcome(fault, judge(history), LEASE_MS, failed_invalidations)

    assert len(outcome.violations) == violations


# The proxy


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    """A server that listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


@pytest.fixture
def proxy(upstream: socket.socket) -> Iterator[Proxy]:
    """A proxy in front of it."""
    with Proxy(free_port(), upstream.getsockname()[1]) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    """Connect through the proxy, with little patience."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=0.2)


def test_the_proxy_passes_bytes_in_both_directions(proxy: Proxy, upstream: socket.socket) -> None:
    with connect(proxy) as client, upstream.accept()[0] as server:
        client.sendall(b"question")
        assert server.recv(100) == b"question"
        server.sendall(b"answer")
        assert client.recv(100) == b"answer"


def test_the_proxy_refuses_and_listens_again(proxy: Proxy, upstream: socket.socket) -> None:
    with connect(proxy) as client, upstream.accept()[0]:
        proxy.set_mode(Mode.REFUSE)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)

    proxy.set_mode(Mode.PASS)

    connect(proxy).close()


def test_the_proxy_hangs_and_later_passes_what_it_held_back(proxy: Proxy, upstream: socket.socket) -> None:
    with connect(proxy) as client, upstream.accept()[0] as server:
        proxy.set_mode(Mode.HANG)
        client.sendall(b"question")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.recv(1)

        proxy.set_mode(Mode.PASS)

        assert server.recv(100) == b"question"


def test_the_proxy_resets_connections(proxy: Proxy) -> None:
    proxy.set_mode(Mode.RESET)

    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)


def test_the_proxy_trickles(proxy: Proxy, upstream: socket.socket) -> None:
    proxy.set_mode(Mode.TRICKLE)

    with connect(proxy) as client, upstream.accept()[0] as server:
        client.sendall(b"question")
        assert [server.recv(100) for _ in range(8)] == [b"q", b"u", b"e", b"s", b"t", b"i", b"o", b"n"]


def test_the_proxy_switches_servers(proxy: Proxy, upstream: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, connect(proxy) as client, upstream.accept()[0]:
        proxy.switch(other.getsockname()[1])

        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with connect(proxy) as next_client, other.accept()[0] as server:
            next_client.sendall(b"hello")
            assert server.recv(100) == b"hello"


# The cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes over one PostgreSQL and one Valkey."""
    with TemporaryDirectory(prefix="procedures-history-") as folder, running_cluster(Path(folder), LEASE_MS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def things(cluster: Cluster) -> Things:
    """What the clients write and read."""
    return create_things(cluster)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_no_read_is_older_than_is_promised_under(fault: Fault, cluster: Cluster, things: Things) -> None:
    outcome = let_happen(fault, cluster, things, LEASE_MS)

    assert outcome.violations == []
    assert outcome.verdict.reads > 0
    assert outcome.verdict.not_modified > 0
    assert outcome.verdict.writes > 0
    # Otherwise the checker is blind: other nodes cannot know at once what was written there.
    if fault.name in {CUT_OFF, BY_SQL}:
        assert outcome.verdict.stale
    if fault.name == CUT_OFF:
        assert outcome.failed_invalidations > 0


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_no_read_is_older_than_is_promised_with(world: Callable[[Path], AbstractContextManager[World]]) -> None:
    with TemporaryDirectory(prefix="procedures-history-") as folder, ExitStack() as stack:
        url, faults = stack.enter_context(world(Path(folder) / "redis"))
        cluster = stack.enter_context(running_cluster(Path(folder), LEASE_MS, url))
        things = create_things(cluster)
        for fault in faults:
            outcome = let_happen(fault, cluster, things, LEASE_MS)

            assert outcome.violations == []
            assert outcome.verdict.reads > 0
            assert outcome.verdict.writes > 0
