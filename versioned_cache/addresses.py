"""Where Redis is, as a URL says it: one server, the server that Sentinels name, or a cluster.

redis-py's own URLs name one host, and it has none for Sentinels and clusters.
"""

import re
import ssl
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

FORM = (
    "redis://[user:password@]host[:port][/database], rediss://… for TLS, unix:///path/of/the/socket, "
    "redis+sentinel://host:port,host:port/name-of-the-master, or redis+cluster://host:port,host:port"
)
SCHEMES = re.compile(r"redis|rediss|unix|rediss?\+sentinel|rediss?\+cluster")
REDIS_PORT, SENTINEL_PORT = 6379, 26379
LARGEST_PORT = 65_535
HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.%]+)\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?")
ENCODE = "percent-encode reserved characters in its user and password, or set these in variables of their own"
CERT_REQUIREMENTS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
TLS_OPTIONS = frozenset({
    "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password",
    "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers",
})  # fmt: skip
FILE_OPTIONS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})


class Topology(StrEnum):
    """How many servers there are, and who says which of them to ask."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who connects. An empty name is the user `default`."""

    username: str = ""
    password: str = field(default="", repr=False)

    def as_arguments(self) -> dict[str, Any]:
        """Return them as redis-py has them."""
        return {"username": self.username or None, "password": self.password or None}


NOBODY = Credentials()


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is, and how to connect to it.

    Attributes:
        hosts: The server's; the Sentinels'; or those of some nodes of a cluster, one of which is enough to begin with.
        path: Of a Unix socket, in place of hosts.
        master: What Sentinels call the server.
        tls: The options of TLS as pairs of name and value; None without TLS.
    """

    topology: Topology
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    database: int = 0
    credentials: Credentials = NOBODY
    sentinel_credentials: Credentials = NOBODY
    tls: tuple[tuple[str, str], ...] | None = None


def parse(url: str) -> Address:
    """Read a URL.

    Raises:
        ValueError: it leads nowhere. The message, which follows the name of what was read, is one line and names
            no user and no password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not SCHEMES.fullmatch(scheme):
        raise ValueError(f"must be the address of Redis: {FORM}")
    kind, _, topology = scheme.partition("+")
    rest, _, query = rest.partition("?")
    userinfo, rest = _split_credentials(rest, query)
    name, _, password = userinfo.partition(":")
    credentials = Credentials(unquote(name), unquote(password))
    options = _options(query, Topology(topology or "single"), has_tls=kind == "rediss")
    if kind == "unix":
        return _unix_address(rest, credentials, options)
    netloc, *segments = rest.split("/")
    address = {"": _single, "sentinel": _sentinels, "cluster": _cluster}[topology](netloc, segments, options)
    tls = tuple(sorted((name, value) for name, value in options.items() if name in TLS_OPTIONS))
    return replace(address, credentials=credentials, tls=tls if kind == "rediss" else None)


@cache
def tls_context(options: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Return the context that connections with these options share; making one takes longer than connecting.

    Raises:
        ValueError: an option is wrong, or a file cannot be used.
    """
    given = dict(options)
    try:
        context = ssl.create_default_context()
        if "ssl_ca_certs" in given or "ssl_ca_path" in given:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(given.get("ssl_ca_certs"), given.get("ssl_ca_path"))
        if "ssl_certfile" in given:
            context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"), given.get("ssl_password", ""))
        if "ssl_ciphers" in given:
            context.set_ciphers(given["ssl_ciphers"])
    except OSError as error:  # an SSLError is one
        names = ", ".join(given[name] for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile") if name in given)
        raise ValueError(f"has TLS options that cannot be used: {names or 'ssl_ciphers'}: {error}") from None
    requirement = _one_of(CERT_REQUIREMENTS, "ssl_cert_reqs", given.get("ssl_cert_reqs", "required"))
    checks_hostname = _one_of(
        {"true": True, "false": False}, "ssl_check_hostname", given.get("ssl_check_hostname", "true")
    )
    context.check_hostname = checks_hostname and requirement is not ssl.CERT_NONE
    context.verify_mode = requirement
    context.minimum_version = _one_of(TLS_VERSIONS, "ssl_min_version", given.get("ssl_min_version", "1.2"))
    return context


def _unix_address(path: str, credentials: Credentials, options: dict[str, str]) -> Address:
    if not path.startswith("/"):
        raise ValueError("must have the whole path of the socket: unix:///run/redis/redis.sock")
    database = _database([], options)
    return Address(Topology.SINGLE, path=unquote(path), database=database, credentials=credentials)


def _single(netloc: str, segments: list[str], options: dict[str, str]) -> Address:
    hosts = _hosts(netloc, REDIS_PORT)
    if len(hosts) > 1:
        raise ValueError("must be redis+sentinel:// or redis+cluster://, since it names several hosts")
    return Address(Topology.SINGLE, hosts, database=_database(segments, options))


def _sentinels(netloc: str, segments: list[str], options: dict[str, str]) -> Address:
    if not segments or not segments[0]:
        raise ValueError("must name the master: redis+sentinel://host:26379,host:26379/name-of-the-master")
    return Address(
        Topology.SENTINEL,
        _hosts(netloc, SENTINEL_PORT),
        master=unquote(segments[0]),
        database=_database(segments[1:], options),
        sentinel_credentials=Credentials(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
    )


def _cluster(netloc: str, segments: list[str], options: dict[str, str]) -> Address:
    if _database(segments, options):
        raise ValueError("must have no database: a cluster has none but 0")
    return Address(Topology.CLUSTER, _hosts(netloc, REDIS_PORT))


def _options(query: str, topology: Topology, *, has_tls: bool) -> dict[str, str]:
    allowed = {"db"} | (TLS_OPTIONS if has_tls else set())
    allowed |= SENTINEL_OPTIONS if topology is Topology.SENTINEL else set()
    options = dict(parse_qsl(query, keep_blank_values=True))
    if set(options) - allowed:  # these are not shown: a password that is not encoded may end up here
        raise ValueError(f"must have no option but {', '.join(sorted(allowed))}")
    for name in FILE_OPTIONS:
        if name in options and not Path(options[name]).exists():
            raise ValueError(f"names a file that is not there: {name}={options[name]}")
    return options


def _split_credentials(rest: str, query: str) -> tuple[str, str]:
    """Split at the @ before the hosts; one that comes later is a part of credentials that are not encoded."""
    before_path, slash, path = rest.partition("/")
    if "@" in path or "@" in query:
        raise ValueError(f"cannot be read: {ENCODE}")
    userinfo, _, hosts = before_path.rpartition("@")
    return userinfo, f"{hosts}{slash}{path}"


def _hosts(netloc: str, default_port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(each.strip(), default_port) for each in netloc.split(","))


def _host(text: str, default_port: int) -> tuple[str, int]:
    match = HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or default_port) <= LARGEST_PORT:
        raise ValueError(f"must be {FORM}; {ENCODE}")
    return match["address"] or match["name"], int(match["port"] or default_port)


def _database(segments: list[str], options: dict[str, str]) -> int:
    text = "/".join(segments) or options.get("db", "")
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError("must have the number of a database, or nothing, at its end")
    return int(text or 0)


def _one_of(values: dict[str, Any], name: str, text: str) -> Any:
    if text.lower() not in values:
        raise ValueError(f"must have {name}={' or '.join(values)}")
    return values[text.lower()]
