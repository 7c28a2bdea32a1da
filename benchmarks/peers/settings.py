"""Settings of a peer: the service's database and models, and the middleware that every API has.

The environment is the service's own, and `PEER`, the name of a module beside this one.
"""

import os

from benchmarks.peers import CACHE_LIFETIME_SECONDS, PEERS
from procedures_project.settings import *  # noqa: F403
from procedures_project.settings import CACHES, DATABASES, REDIS_URL

PEER = os.environ["PEER"]
if PEER not in PEERS:
    raise ValueError(f"PEER must be one of {', '.join(PEERS)}, not {PEER!r}.")

ROOT_URLCONF = "benchmarks.peers.urls"
APPEND_SLASH = False

INSTALLED_APPS = [
    "django.contrib.admin",  # for `access`, whose history is kept there; it has no pages here
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "axes",  # for `access`; it has no say in an API
    "access",
    "versioned_cache",
    "procedures",
    *{"cacheops_peer": ["cacheops"], "cachalot_peer": ["cachalot"]}.get(PEER, []),
]
# Less than `startproject` gives: no API needs the session, the CSRF check or the messages.
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]

# Django's own engine without a ping at each request: the service's counts every statement for its metrics.
DATABASES["default"] |= {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": False}
DATABASES["default"]["OPTIONS"].pop("transaction_settings", None)  # which only that engine knows

# Note [One Redis database a peer]
# All peers share a Redis, and none may meet another's entries. Ours is database 0.
_redis_url, _, _ = REDIS_URL.rpartition("/")
PEER_REDIS_URL = f"{_redis_url}/{1 + PEERS.index(PEER)}"
CACHES["default"] = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": PEER_REDIS_URL}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.peers.authentication.BearerTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
REST_FRAMEWORK_EXTENSIONS = {"DEFAULT_CACHE_RESPONSE_TIMEOUT": CACHE_LIFETIME_SECONDS}
CACHEOPS_REDIS = PEER_REDIS_URL
CACHEOPS = {
    "procedures.*": {"ops": "all", "timeout": CACHE_LIFETIME_SECONDS},
    "access.apitoken": {"ops": "get", "timeout": CACHE_LIFETIME_SECONDS},
}
CACHALOT_TIMEOUT = CACHE_LIFETIME_SECONDS
