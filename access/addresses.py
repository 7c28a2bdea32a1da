"""Where a request comes from: the other end of the socket, or what a trusted proxy reports."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address

NETWORK_BITS = 64  # of an IPv6 address
MAX_LENGTH = 64  # of an address as text, with a zone
MAX_REMEMBERED = 1_024  # since reading one takes longer than all else that a cached read's log line needs


def client_address(meta: Mapping[str, Any]) -> Address | None:
    """Return the client's address, given its headers in WSGI form; None if it has none.

    X-Forwarded-For is read from its end, as long as the senders are trusted. The client itself may have made up
    whatever comes before.
    """
    address = _address(meta.get("REMOTE_ADDR", ""))
    if "HTTP_X_FORWARDED_FOR" not in meta:
        return address
    for sender in reversed(meta["HTTP_X_FORWARDED_FOR"].split(",")):
        previous = _address(sender.strip())
        if previous is None or not _is_trusted(address):
            break
        address = previous
    return address


def shown_address(meta: Mapping[str, Any]) -> str | None:
    """Return the client's address as a log has it; see `client_address`."""
    address = client_address(meta)
    return None if address is None else _text_of(address)


def counted_address(meta: Mapping[str, Any]) -> str | None:
    """Return the address that a client's attempts are counted by.

    For an IPv6 address this is the first one of its network, because a client has all of them (RFC 6177).
    """
    return _counted(client_address(meta))


def counted_as(text: str) -> str | None:
    """Return the address that attempts from a written address are counted by; None where the text is no address."""
    return _counted(_address(text))


def _counted(address: Address | None) -> str | None:
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address) >> NETWORK_BITS << NETWORK_BITS)
    return None if address is None else str(address)


def _address(text: str) -> Address | None:
    """Read an address; None for anything else, such as the other end of a Unix socket."""
    return _read(text) if len(text) <= MAX_LENGTH else None


@lru_cache(MAX_REMEMBERED)
def _read(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])  # a zone is another host's word for one of its interfaces
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


# Since an address hashes faster than it is written.
_text_of = lru_cache(MAX_REMEMBERED)(str)


def _is_trusted(address: Address | None) -> bool:
    if address is None:
        return settings.TRUSTS_UNIX_SOCKET
    return any(address in network for network in settings.TRUSTED_NETWORKS)
