"""What each kind of value in the environment must be. A rule returns the value, or raises `ValueError`.

The messages follow the variable's name in a sentence. They repeat no value that may be secret, and of others no more
than a line.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

T = TypeVar("T")

SHOWN_CHARACTERS = 60
MAX_DIGITS = 12
SHARE = re.compile(r"1(\.0{1,9})?|0(\.[0-9]{1,9})?")

# OWASP ASVS 5.0 §11: at least 128 bits; 32 characters leave a margin.
SECRET_KEY_CHARACTERS = 32
METRICS_TOKEN_CHARACTERS = 16
EXAMPLE_WORDS = re.compile(
    r"secret|password|insecure|example|change[-_ ]?me|placeholder|only[-_ ]for|tests[-_ ]only|your[-_ ]",
    re.IGNORECASE,
)

HOST_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = re.compile(rf"\.?{HOST_LABEL}(?:\.{HOST_LABEL})*", re.IGNORECASE)
ORIGIN = re.compile(
    rf"https?://(?:\*\.)?(?:{HOST_LABEL}(?:\.{HOST_LABEL})*|\[[0-9a-f:.]+\])(?::\d{{1,5}})?", re.IGNORECASE
)
SOCKET_PATH_BYTES = 107  # unix(7)

POSTGRESQL_FORM = "postgresql://user:password@host:5432/name, or host=HOST dbname=NAME"
PORTS = re.compile(r"(\d{1,5})?(,(\d{1,5})?)*")
WHOLE_NUMBERS = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
EXAMPLE_PASSWORD = "PASSWORD"  # noqa: S105  # in .env.example


def flag(text: str) -> bool:
    """Read a boolean; only 0 and 1 are allowed."""
    if text not in {"0", "1"}:
        raise ValueError(f"must be 0 or 1, not {_shown(text)}")
    return text == "1"


def text(text: str) -> str:
    """Read any text."""
    return text


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return the rule of a number within bounds, in decimal digits."""

    def rule(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}, not {_shown(text)}")
        if not minimum <= int(text) <= maximum:
            bound = f"at least {minimum}" if int(text) < minimum else f"at most {maximum}"
            raise ValueError(f"must be {bound}, not {int(text)}")
        return int(text)

    return rule


def share(text: str) -> float:
    """Read a part of a whole: 0, 1, or a decimal fraction between them."""
    if not SHARE.fullmatch(text):
        raise ValueError(f"must be 0, 1 or a share between them, such as 0.01, not {_shown(text)}")
    return float(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """Return the rule of a text that is one of these."""

    def rule(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}, not {_shown(text)}")
        return text

    return rule


def comma_separated(rule: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Return the rule of a list whose items, without blanks around them, follow a rule. It may not be empty."""

    def read(text: str) -> list[T]:
        items = [rule(item.strip()) for item in text.split(",") if item.strip()]
        if not items:
            raise ValueError("must name at least one, separated by commas")
        return items

    return read


def option_type(rule: Callable[[str], T]) -> Callable[[str], T]:
    """Return a rule as argparse wants the type of an option."""

    def read(text: str) -> T:
        try:
            return rule(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def secret(least_characters: int) -> Callable[[str], str]:
    """Return the rule of a secret: long enough, and not of the kind that somebody makes up or copies from a page."""

    def rule(text: str) -> str:
        if len(text) < least_characters:
            raise ValueError(f"is too short: use at least {least_characters} random characters")
        if _is_guessable(text, least_characters // 4):
            raise ValueError(
                "is no secret: it repeats itself, or is an example. "
                "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
            )
        return text

    return rule


def _is_guessable(text: str, least_different: int) -> bool:
    """Tell whether a text has few different characters or distances between them, repeats itself, or is an example."""
    distances = {ord(second) - ord(first) for first, second in pairwise(text)}
    return (
        min(len(set(text)), len(distances)) < least_different
        or any(text[period:] == text[:-period] for period in range(1, len(text) // 2 + 1))
        or EXAMPLE_WORDS.search(text) is not None
    )


def allowed_host(text: str) -> str:
    """Read one of the hosts that the service answers to, as Django's ALLOWED_HOSTS has them."""
    if text == "*":
        raise ValueError("must name the hosts served: * is not allowed")
    if text.startswith("*."):
        raise ValueError(f"has {_shown(text)}, which matches nothing: write {_shown(text[1:])} for all hosts below it")
    if "://" in text or "/" in text:
        raise ValueError(f"has {_shown(text)}: write the host alone, without scheme and path")
    if _is_address(text) or HOST_NAME.fullmatch(text):
        return text
    if re.fullmatch(r"[^:]+:\d+|\[.*\]:\d+", text):
        raise ValueError(f"has {_shown(text)}: write the host alone, without the port")
    if ":" in text and _is_address(f"[{text}]"):
        raise ValueError(f"has {_shown(text)}: write an IPv6 address in brackets")
    raise ValueError(f"has {_shown(text)}, which is not the name of a host")


def origin(text: str) -> str:
    """Read an origin: scheme and host, perhaps with a port."""
    if not ORIGIN.fullmatch(text):
        raise ValueError(f"must have origins such as https://procedures.example.com, not {_shown(text)}")
    return text


def exact_origin(text: str) -> str:
    """Read one origin as browsers send it: in lower case, and without the scheme's default port."""
    has_default_port = re.fullmatch(r"http://.*:80|https://.*:443", text) is not None
    if "*" in text or text != text.lower() or has_default_port or not ORIGIN.fullmatch(text):
        raise ValueError(
            "must have origins as browsers send them, such as https://dashboard.example.com, in lower case and without "
            f"*, path or default port, not {_shown(text)}"
        )
    return text


def with_extra(module: str, rule: Callable[[str], T]) -> Callable[[str], T]:
    """Return a rule that refuses every value where an optional module is not installed."""

    def read(text: str) -> T:
        if not _is_installed(module):
            raise ValueError("needs packages that are not installed: pip install -r requirements/telemetry.txt")
        return rule(text)

    return read


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not installed either
        return False


def endpoint(text: str) -> str:
    """Read the URL of a collector."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError("must be a URL such as http://collector:4318, without a password")
    return text


def sentry_dsn(text: str) -> str:
    """Read where Sentry takes reports; its key is not repeated."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not (parts.hostname and parts.username and parts.path.strip("/")):
        raise ValueError("must be a DSN as Sentry shows it: https://KEY@HOST/PROJECT")
    return text


def proxy(text: str) -> IPv4Network | IPv6Network | None:
    """Read the address or network of a proxy; None is `unix`, whoever connects to a Unix socket."""
    if text == "unix":
        return None
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"must name addresses, networks or unix: {str(error)[:SHOWN_CHARACTERS]}") from None
    if network.prefixlen == 0:
        raise ValueError(f"has {text}, which is everybody: whoever is trusted may claim any address")
    return network


def listening_address(text: str) -> str:
    """Read an address of this host to listen at; the server looks up no names."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"must be an IP address, such as 127.0.0.1 or 0.0.0.0, not {_shown(text)}") from None


def socket_path(text: str) -> str:
    """Read where a Unix socket is to be."""
    if len(text.encode()) > SOCKET_PATH_BYTES:
        raise ValueError(f"must be at most {SOCKET_PATH_BYTES} bytes, as paths of sockets are")
    if not Path(text).parent.is_dir():
        raise ValueError(f"is in a folder that does not exist: {_shown(str(Path(text).parent))}")
    return text


def postgresql_parameters(database_url: str) -> dict[str, Any]:
    """Read a libpq URI or connection string; libpq's own parser reads it.

    That parser splits a password with reserved characters in strange places, and its errors would show the parts.
    """
    if "://" in database_url and urlsplit(database_url).scheme not in {"postgresql", "postgres"}:
        raise ValueError(f"must be the address of PostgreSQL: {POSTGRESQL_FORM}")
    try:
        parameters = conninfo_to_dict(database_url)
    except ProgrammingError:
        raise ValueError(f"cannot be read: write {POSTGRESQL_FORM}") from None
    place = [str(parameters.get(name, "")) for name in ("host", "port", "dbname")]
    if any("@" in part.removeprefix("@") for part in place) or not PORTS.fullmatch(place[1]):
        raise ValueError("cannot be read: percent-encode reserved characters in its password, such as @ as %40")
    if "dbname" not in parameters and "service" not in parameters:
        raise ValueError(f"names no database: {POSTGRESQL_FORM}")
    if parameters.get("password") == EXAMPLE_PASSWORD:
        raise ValueError("has the password of .env.example")
    if parameters.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(sorted(SSL_MODES))}")
    for name in WHOLE_NUMBERS:
        if name in parameters and not str(parameters[name]).isdecimal():
            raise ValueError(f"has a {name} that is not a whole number")
    return parameters


def _is_address(text: str) -> bool:
    """Tell whether a text is an IP address as the Host header has it: of version 6 in brackets."""
    in_brackets = text.startswith("[") and text.endswith("]")
    try:
        return ip_address(text[1:-1] if in_brackets else text).version == (6 if in_brackets else 4)
    except ValueError:
        return False


def _shown(text: str) -> str:
    """Return a value for a message, shortened."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


PORT = whole_number(1, 65_535)
WORKERS = whole_number(1, 256)
CONNECTIONS = whole_number(1, 1_000_000)
DRAIN_SECONDS = whole_number(0, 3_600)
THREADS = whole_number(1, 256)
