"""Settings of a peer as its documentation has them: the lifetimes are not the service's, and signals invalidate."""

from benchmarks.peers.settings import *  # noqa: F403
from benchmarks.peers.settings import CACHEOPS

ROOT_URLCONF = "benchmarks.scorecard.peer_urls"

QUARTER_OF_AN_HOUR = 60 * 15  # of Django's cache_page and of cacheops's README
CACHE_LIFETIME_SECONDS = QUARTER_OF_AN_HOUR
CACHEOPS = {models: profile | {"timeout": QUARTER_OF_AN_HOUR} for models, profile in CACHEOPS.items()}
# For ever, the defaults of both; the bench has them otherwise.
CACHALOT_TIMEOUT = None  # type: ignore[assignment]
REST_FRAMEWORK_EXTENSIONS = {"DEFAULT_CACHE_RESPONSE_TIMEOUT": None}  # type: ignore[dict-item]
