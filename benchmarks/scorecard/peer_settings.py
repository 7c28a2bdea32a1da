"""Settings of a peer as its documentation has them: the lifetimes are not the service's, and signals invalidate."""

from benchmarks import peers

peers.CACHE_LIFETIME_SECONDS = 60 * 15  # in Django's documentation and in cacheops's; set before anybody takes it

from benchmarks.peers.settings import *  # noqa: E402, F403

ROOT_URLCONF = "benchmarks.scorecard.peer_urls"

# For ever, the defaults of both.
CACHALOT_TIMEOUT = None  # type: ignore[assignment]
REST_FRAMEWORK_EXTENSIONS = {"DEFAULT_CACHE_RESPONSE_TIMEOUT": None}  # type: ignore[dict-item]
