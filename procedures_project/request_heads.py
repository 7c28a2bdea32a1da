"""The heads of requests: as WSGI has them, and the checks of HTTP that servers leave to applications.

granian tells neither the authority of a target in absolute form (RFC 9112 §3.2.2) nor a Content-Length beside a
Transfer-Encoding: so the Host header names the service, whatever the target says, for the fast path as for Django.
"""

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from rest.error_answers import RAW_URI
from rest.problems import MALFORMED_REQUEST, NOT_FOUND, NOT_IMPLEMENTED

MAX_HEADER_NAMES = 512

# Methods are case-sensitive (RFC 9110 §9.1): `get` is not one of them. Django would take it for GET.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"})
WHOLE_SERVER = "*"
ANSWERED = "DELETE, GET, HEAD, OPTIONS, POST, PUT"  # by one path or another
CODED_SLASH = "%2f"

# What the standard library reads in time that is quadratic in its length: the parameters of a Content-Type, and the
# characters of a cookie that are written with a backslash. Ours have a few, or none.
MAX_CONTENT_TYPE_LENGTH = 256
MAX_ESCAPES_IN_COOKIES = 512
CODED_NUL = "\\000"  # how a cookie has NUL, which PostgreSQL refuses in the key of a session

# Headers of one value (RFC 9110 §5.3): of two, a proxy before us may have acted on the other.
SINGLE = frozenset({"HTTP_HOST", "HTTP_AUTHORIZATION", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_IDEMPOTENCY_KEY"})
REPEATED = "procedures.repeated_header"


def meta_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request (ASGI) as WSGI has it (PEP 3333), all but its body."""
    server = scope.get("server") or ("localhost", 80)
    meta: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        RAW_URI: scope["raw_path"].decode("latin-1"),
    }
    for name, value in scope["headers"]:
        variable = _variable_of(name)
        if variable is not None:
            text = value.decode("latin-1")
            if variable in meta:
                _join(meta, variable, text)
            else:
                meta[variable] = text
    return meta


def check_head(meta: Mapping[str, Any]) -> None:
    """Let a head through if this service reads it as every proxy before it has.

    Raises:
        NOT_IMPLEMENTED: the method, or the coding that the body is transferred in, is not supported.
        MALFORMED_REQUEST: the target is not a path, a header is repeated that may be there only once, or one costs too
            much to read.
        NOT_FOUND: a slash in the path is percent-encoded, so it does not divide the path (RFC 3986 §2.2).
    """
    if meta["REQUEST_METHOD"] not in METHODS:
        raise NOT_IMPLEMENTED("Methods are written in capital letters." if _is_in_small_letters(meta) else "")
    if REPEATED in meta:
        raise MALFORMED_REQUEST(f"The header {meta[REPEATED]} may be there only once.")
    if len(meta.get("CONTENT_TYPE", "")) > MAX_CONTENT_TYPE_LENGTH:
        raise MALFORMED_REQUEST(f"Content-Type has at most {MAX_CONTENT_TYPE_LENGTH} characters.")
    if meta.get("HTTP_COOKIE", "").count("\\") > MAX_ESCAPES_IN_COOKIES:
        raise MALFORMED_REQUEST(f"Cookies have at most {MAX_ESCAPES_IN_COOKIES} backslashes.")
    if CODED_NUL in meta.get("HTTP_COOKIE", ""):
        raise MALFORMED_REQUEST("A cookie contains NUL.")
    if meta.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
        raise NOT_IMPLEMENTED("The only Transfer-Encoding is chunked.")
    if not meta["PATH_INFO"].startswith("/") and not asks_about_the_server(meta):
        raise MALFORMED_REQUEST("The target is not a path.")
    if CODED_SLASH in meta[RAW_URI].lower():
        raise NOT_FOUND("Slashes in paths are not percent-encoded here.")


def asks_about_the_server(meta: Mapping[str, Any]) -> bool:
    """Tell whether a request is about the server as a whole: `OPTIONS *` (RFC 9110 §9.3.7)."""
    return bool(meta["REQUEST_METHOD"] == "OPTIONS" and meta["PATH_INFO"] == WHOLE_SERVER)


def _is_in_small_letters(meta: Mapping[str, Any]) -> bool:
    return meta["REQUEST_METHOD"].upper() in METHODS


def _join(meta: dict[str, Any], variable: str, text: str) -> None:
    """Add the value of a header that is there already."""
    separator = "; " if variable == "HTTP_COOKIE" else ","
    meta[variable] += separator + text
    if variable in SINGLE:
        meta[REPEATED] = variable.removeprefix("HTTP_").replace("_", "-").title()


@lru_cache(MAX_HEADER_NAMES)
def _variable_of(name: bytes) -> str | None:
    """Return the name under which WSGI has a header; None for one that would imitate another.

    `X_Forwarded_Proto` becomes the variable of `X-Forwarded-Proto`, which only a proxy may say.
    """
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{variable}"
