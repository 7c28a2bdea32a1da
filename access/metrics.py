"""The metrics of access. Every child exists from the start, so that `rate()` is 0 before anything has happened."""

from enum import StrEnum

from prometheus_client import Counter

from access.policies import POLICIES


class Failure(StrEnum):
    """Why a login failed."""

    CREDENTIALS = "credentials"
    LOCKED_OUT = "locked_out"


LOGINS_FAILED = Counter("backend_logins_failed_total", "Logins that failed, by reason.", ["reason"])
LOCKOUTS = Counter("backend_lockouts_total", "Names that were locked out at an address, for a while.")
PASSWORDS_REFUSED = Counter(
    "backend_password_hashings_refused_total", "Passwords that were not checked, because too many others were waiting."
)
REQUESTS_LIMITED = Counter("backend_requests_limited_total", "Requests answered 429, by policy.", ["policy"])

for _failure in Failure:
    LOGINS_FAILED.labels(_failure)
for _policy in POLICIES:
    REQUESTS_LIMITED.labels(_policy.name)
