"""Who plays: our cache and its peers, each set up as its documentation recommends."""

from dataclasses import dataclass

from benchmarks.peers import PEERS


@dataclass(frozen=True)
class Contestant:
    """A cache, and how it is set up.

    Attributes:
        slug: Its name in file names and in the results.
        name: How the table calls it.
        setup: How it is set up.
        source: Who recommends that.
        weakness: What the scenarios show of it.
        lifetime: How long a stale body lasts, where nothing else ends it.
    """

    slug: str
    name: str
    setup: str
    source: str
    weakness: str
    lifetime: str

    @property
    def environment(self) -> dict[str, str]:
        """What tells its processes who they are."""
        if self.slug not in PEERS:
            return {"DJANGO_SETTINGS_MODULE": "procedures_project.settings"}
        return {"DJANGO_SETTINGS_MODULE": "benchmarks.scorecard.peer_settings", "PEER": self.slug}

    @property
    def application(self) -> str:
        """The WSGI application that answers for it."""
        if self.slug not in PEERS:
            return "procedures_project.wsgi.application"
        return "benchmarks.peers.wsgi.application"

    @property
    def redis_database(self) -> int:
        """The number of its Redis database (benchmarks/peers/settings.py, Note [One Redis database a peer])."""
        return 1 + PEERS.index(self.slug) if self.slug in PEERS else 0


OURS = Contestant(
    slug="ours",
    name="this service",
    setup="as in production, with a lease of 1 s instead of 5 s.",
    source="docs/cache-protocol.md",
    weakness="What breaks or goes past it is seen when the lease ends.",
    lifetime="the lease",
)
INCR = Contestant(
    slug="incr",
    name="INCR",
    setup="a version counter written by hand: the version is read before the rows, the body is kept under it for 15 "
    "minutes, an `on_commit` hook of a `post_save` receiver counts on.",
    source="https://docs.djangoproject.com/en/5.2/topics/db/transactions/#performing-actions-after-commit",
    weakness="Right without faults; whatever loses the hook, the connection or the counter makes it stale, and a "
    "counter that begins at 1 again meets the bodies of before.",
    lifetime="15 min",
)
CACHEOPS = Contestant(
    slug="cacheops_peer",
    name="cacheops",
    setup="the models under `CACHEOPS` with all operations and a timeout of 15 minutes; it invalidates by its own "
    "signals and by a hook of its own, the first of the queue. `keep_fresh` is off by default, and for "
    "`@cached_as` functions.",
    source="https://github.com/Suor/django-cacheops#readme",
    weakness="Keeps what a slow reader brings; `update()` and SQL are to be announced by hand, as its README says "
    "(`invalidated_update()`); a lost set of dependants is a lost invalidation.",
    lifetime="15 min",
)
CACHALOT = Contestant(
    slug="cachalot_peer",
    name="cachalot",
    setup="its defaults: every query, for ever (`CACHALOT_TIMEOUT` is None), invalidated by table.",
    source="https://django-cachalot.readthedocs.io/en/latest/quickstart.html",
    weakness="Outside a transaction it invalidates before the statement, and stamps results after it, so that both "
    "sides of the race are lost; it sees `update()` and SQL, but not that of a process without it.",
    lifetime="for ever",
)
DRF_EXTENSIONS = Contestant(
    slug="drf_extensions",
    name="cache_response",
    setup="drf-extensions with the key constructor of its documentation: `UpdatedAtKeyBit`, an instant that "
    "`post_save` and `post_delete` receivers set. Bodies are kept for ever, its default, but the instant for Django's "
    "default of 5 minutes, and with it goes the key.",
    source="https://chibisov.github.io/drf-extensions/docs/#key-constructors",
    weakness="The receivers run before COMMIT, so a reader in between files old rows under the new key; and what sends "
    "no signal is not seen.",
    lifetime="5 min",
)
CACHE_PAGE = Contestant(
    slug="cache_page",
    name="cache_page",
    setup="Django's `cache_page(60 * 15)` behind the authentication, varying on it.",
    source="https://www.django-rest-framework.org/api-guide/caching/",
    weakness="Knows of no write; whoever has read before one goes on with it.",
    lifetime="15 min",
)
PLAIN = Contestant(
    slug="drf",
    name="no cache",
    setup="plain DRF over prefetched rows.",
    source="https://www.django-rest-framework.org/api-guide/serializers/",
    weakness="Nothing to be stale: it shows that the schedules themselves are right.",
    lifetime="-",
)

ALL = (OURS, INCR, CACHEOPS, CACHALOT, DRF_EXTENSIONS, CACHE_PAGE, PLAIN)
