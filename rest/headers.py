"""The headers of requests and answers, as /openapi.json describes them."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from rest import idempotency


def request_header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> OpenApiParameter:
    """Describe a header of a request."""
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, required, description)


def answer_header(
    name: str, schema: dict[str, Any], description: str, *statuses: HTTPStatus, required: bool = True
) -> OpenApiParameter:
    """Describe a header of the answers with one of `statuses`, or of all answers if none is given."""
    response = [status.value for status in statuses] or True
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, required, description, response=response)


IF_NONE_MATCH = request_header("If-None-Match", {"type": "string"}, "The entity tags of the versions that you have.")

_IF_MATCH = (
    "If-Match",
    {"type": "string", "pattern": r'^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'},
    "The entity tag of the version that you are changing, or `*` for any version.",
)
IF_MATCH = request_header(*_IF_MATCH)
REQUIRED_IF_MATCH = request_header(*_IF_MATCH, required=True)

IDEMPOTENCY_KEY = request_header(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^({idempotency.KEY})$"},
    "A value of your own for this request, such as a UUID. If you repeat the request with the same key, nothing "
    "changes and you get the first answer again.",
)

REQUEST_ID_SHAPE = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
REQUEST_ID = answer_header("X-Request-ID", REQUEST_ID_SHAPE, "The id of this request in the service's log.")
CHALLENGE = answer_header(
    "WWW-Authenticate",
    {"type": "string", "const": "Bearer"},
    "How to authenticate (RFC 6750).",
    HTTPStatus.UNAUTHORIZED,
)
RETRY_AFTER = answer_header(
    "Retry-After",
    {"type": "integer"},
    "How many seconds to wait before you try again.",
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
RATE_LIMIT_POLICY = answer_header(
    "RateLimit-Policy",
    {"type": "string", "pattern": '^"[a-z-]+";q=[0-9]+;w=[0-9]+$'},
    "The quota that is used up: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers-11).",
    HTTPStatus.TOO_MANY_REQUESTS,
)
RATE_LIMIT = answer_header(
    "RateLimit",
    {"type": "string", "pattern": '^"[a-z-]+";r=0;t=[0-9]+$'},
    "How many requests are left, `r`, until the quota is renewed in `t` seconds.",
    HTTPStatus.TOO_MANY_REQUESTS,
)
ETAG = answer_header(
    "ETag",
    {"type": "string", "pattern": '^"[0-9]+-[0-9a-f]{8}(-gzip)?"$'},
    "The version of the answer. Filtered lists and repeated answers have none.",
    HTTPStatus.OK,
    HTTPStatus.CREATED,
    HTTPStatus.NOT_MODIFIED,
    required=False,
)
REPLAYED = answer_header(
    idempotency.REPLAYED,
    {"const": "true"},
    "Present if this repeats an earlier answer.",
    HTTPStatus.OK,
    HTTPStatus.CREATED,
    required=False,
)
LOCATION = answer_header(
    "Location", {"type": "string", "format": "uri-reference"}, "The path of what was created.", HTTPStatus.CREATED
)
NO_CACHE = answer_header(
    "Cache-Control",
    {"const": "private, no-cache"},
    "You may keep the answer, but revalidate it before each use.",
    HTTPStatus.OK,
)
