"""Which address counts: the socket's, or the one that trusted proxies report."""

from ipaddress import ip_network
from typing import Any

import pytest

from access.addresses import client_address, counted_address

PROXY, OTHER_PROXY, CLIENT = "10.0.0.7", "10.0.0.8", "203.0.113.9"


@pytest.fixture(autouse=True)
def _proxies(settings: Any) -> None:
    settings.TRUSTED_NETWORKS = [ip_network("10.0.0.0/24"), ip_network("fd00::/8")]
    settings.TRUSTS_UNIX_SOCKET = False


def address(remote: str, forwarded: str | None = None) -> str:
    meta = {"REMOTE_ADDR": remote} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    return str(client_address(meta))


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        (CLIENT, None, CLIENT),
        (PROXY, None, PROXY),
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"192.0.2.1, {CLIENT}", CLIENT),
        (PROXY, f"192.0.2.1, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (PROXY, f"{OTHER_PROXY},{OTHER_PROXY}", OTHER_PROXY),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.7", CLIENT, CLIENT),
        (PROXY, "::ffff:203.0.113.9", CLIENT),
        (PROXY, "fe80::1%\x1b[2J", "fe80::1"),
    ],
)
def test_the_client_is_the_one_that_the_last_trusted_proxy_saw(
    remote: str, forwarded: str | None, expected: str
) -> None:
    assert address(remote, forwarded) == expected


@pytest.mark.parametrize("forwarded", ["192.0.2.1", "10.0.0.7, 192.0.2.1", PROXY])
def test_what_a_client_says_about_itself_is_not_believed(forwarded: str) -> None:
    assert address(CLIENT, forwarded) == CLIENT


@pytest.mark.parametrize("forwarded", ["", " ", "unknown", "203.0.113.9:4711", "203.0.113.9\x00", "x" * 10_000])
def test_a_malformed_address_is_ignored_and_the_known_one_counts(forwarded: str) -> None:
    assert address(PROXY, forwarded) == PROXY


@pytest.mark.parametrize(("is_trusted", "expected"), [(True, CLIENT), (False, "None")])
def test_a_unix_socket_has_no_address_and_is_trusted_only_by_name(
    settings: Any, is_trusted: bool, expected: str
) -> None:
    settings.TRUSTS_UNIX_SOCKET = is_trusted

    assert address("", CLIENT) == expected


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        (CLIENT, CLIENT),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", CLIENT),
        ("", None),
    ],
)
def test_attempts_are_counted_by_address_and_of_ipv6_by_network(remote: str, expected: str | None) -> None:
    assert counted_address({"REMOTE_ADDR": remote}) == expected
