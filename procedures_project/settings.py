"""All settings. Only this module reads the environment; .env.example lists every variable it reads."""

import os
import sys
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.retry import Retry

from procedures_project import __version__
from procedures_project.logging_config import logging_config

django_stubs_ext.monkeypatch()  # generic Django classes, before any app is imported

BASE_DIR = Path(__file__).resolve().parent.parent


# --- the environment, read strictly: a wrong value stops the start and says what is allowed ---


def envstr(name: str, default: str | None = None) -> str:
    """Return the variable, or the default; without a default it is required."""
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(
            f"The environment variable {name} is required; .env.example explains it. "
            "To look around without any setting, run `make demo`."
        )
    return value


def envbool(name: str, default: bool) -> bool:
    """Return the variable as a boolean; only 0 and 1 are allowed."""
    value = os.environ.get(name) or str(int(default))
    if value not in {"0", "1"}:
        raise ImproperlyConfigured(f"{name} must be 0 or 1, not {value!r}.")
    return value == "1"


def envint(name: str, default: int) -> int:
    """Return the variable as a non-negative integer."""
    value = os.environ.get(name) or str(default)
    if not value.isascii() or not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def envlist(name: str) -> list[str]:
    """Return the comma-separated variable as a list without blanks."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def postgresql_connection(database_url: str) -> dict[str, Any]:
    """Translate a libpq URI or connection string into Django's terms; libpq's own parser reads it."""
    parameters = conninfo_to_dict(database_url)
    # The server takes the last of options that are given twice, so what the operator wrote wins there too.
    options = f"{DATABASE_TIMEOUTS['options']} {parameters.pop('options', '')}".rstrip()
    return {
        "NAME": parameters.pop("dbname", ""),
        "USER": parameters.pop("user", ""),
        "PASSWORD": parameters.pop("password", ""),
        "HOST": parameters.pop("host", ""),
        "PORT": parameters.pop("port", ""),
        "OPTIONS": {**DATABASE_TIMEOUTS, **parameters, "options": options},  # what the operator wrote wins
    }


# --- core ---

SECRET_KEY = envstr("SECRET_KEY")
if len(SECRET_KEY) < 32:  # OWASP ASVS 5.0 §11: at least 128 bits; 32 characters leave a margin
    raise ImproperlyConfigured("SECRET_KEY is too short: use at least 32 random characters.")
SECRET_KEY_FALLBACKS = envlist("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = envlist("ALLOWED_HOSTS")
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts served, separated by commas; * is not allowed.")
CSRF_TRUSTED_ORIGINS = envlist("CSRF_TRUSTED_ORIGINS")
DEBUG = False
ROOT_URLCONF = "procedures_project.urls"
WSGI_APPLICATION = "procedures_project.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "procedures_project.static_files.StaticFiles",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "access",
    "versioned_cache",
    "procedures",
    "runs",
    "procedures_project",
]

MIDDLEWARE = [
    "procedures_project.middleware.RequestRecordMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "procedures_project.middleware.PageSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "procedures_project.middleware.PageAuthenticationMiddleware",
    "procedures_project.middleware.PageMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- PostgreSQL ---

# A lock held longer than this is answered 503, instead of queueing requests behind it without bound.
DATABASE_TIMEOUTS = {
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c lock_timeout=2s -c idle_in_transaction_session_timeout=10s",
}
DATABASES = {
    "default": {
        "ENGINE": "procedures_project.postgresql",
        **postgresql_connection(envstr("DATABASE_URL")),
        # Persistent connections with a health check recover from a restart of PostgreSQL in
        # milliseconds; a psycopg pool stalls for its whole timeout.
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    },
}

# --- Redis or Valkey: the versioned cache ---

# Note [Redis timeouts]
# redis-py's defaults (5 s, 10 retries) make one request wait a minute for a frozen server. A read takes
# a tenth of a millisecond, so a server that needs a hundred is as good as down. A raise may wait longer, twice.
REDIS_READ_TIMEOUT_SECONDS = 0.1
REDIS_RAISE_TIMEOUT_SECONDS = 0.125


def redis_cache(purpose: str, timeout_seconds: float, url: str) -> dict[str, Any]:
    """Return the cache of a purpose; its URL names the client, since django-redis shares a pool by URL."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"{url}{'&' if '?' in url else '?'}client_name=procedures-{purpose}",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": timeout_seconds / 2,
            "SOCKET_TIMEOUT": timeout_seconds,
            "PARSER_CLASS": "versioned_cache.deadlines.DeadlineParser",
            "CONNECTION_POOL_KWARGS": {
                "max_connections": 64,
                "retry": Retry(NoBackoff(), retries=0),
                "protocol": 2,  # bytes are all we exchange, and a connection is ready sooner without HELLO
                "driver_info": None,  # nor does the server need to know what library it talks to
            },
        },
    }


REDIS_URL = envstr("REDIS_URL")
CACHES = {
    "default": redis_cache("reads", REDIS_READ_TIMEOUT_SECONDS, REDIS_URL),
    "raises": redis_cache("raises", REDIS_RAISE_TIMEOUT_SECONDS, REDIS_URL),
}
# The lease X: how long a crash, a lost raise or a write past the service can go unnoticed at most.
CACHE_LEASE_MS = envint("CACHE_LEASE_MS", default=5000)
if CACHE_LEASE_MS < 100:  # whoever takes half of it between two commands is refused, and tries again
    raise ImproperlyConfigured("CACHE_LEASE_MS must be at least 100.")
CACHE_LOG_HITS = envbool("CACHE_LOG_HITS", default=True)

# --- who may do what ---

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")
METRICS_OPEN_TO_LOOPBACK = envbool("METRICS_OPEN_TO_LOOPBACK", default=False)

# --- HTTP ---

# Only for a demo or a test on this machine; everywhere else, HTTPS and secure cookies.
INSECURE_HTTP = envbool("INSECURE_HTTP", default=False)
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # probes and scrapers speak HTTP to the pod
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if envbool("BEHIND_TLS_PROXY", default=False) else None
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else 31_536_000  # one year, hstspreload.org's minimum
SESSION_COOKIE_SECURE = not INSECURE_HTTP
CSRF_COOKIE_SECURE = not INSECURE_HTTP
X_FRAME_OPTIONS = "DENY"
MAX_BODY_BYTES = 64 * 1024
# The admin's forms are larger than an API body: a revision of 200 steps has 2,000 fields.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["access.authentication.BearerTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "access.rights.MayRead"],
    "DEFAULT_PARSER_CLASSES": ["rest.parsers.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest.renderers.ExactJSONRenderer"],
    "EXCEPTION_HANDLER": "rest.error_answers.problem_response",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS tells nothing that /openapi.json does not
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is an unknown parameter like any other
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "rest.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Procedures",
    "VERSION": __version__,
    "DESCRIPTION": "Written procedures, executed as runs, committed step by step: fast reads that are never stale.",
    "TAGS": [
        {"name": "procedures", "description": "What is to be done: ordered steps, published as immutable revisions."},
        {"name": "runs", "description": "What was done: a run executes one revision; its history is never unwritten."},
    ],
    "COMPONENT_SPLIT_REQUEST": True,  # what is taken is stricter than what is answered
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],  # enumerations stay where they are used
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATION_PARAMETERS": False,
}

STATIC_URL = "static/"
STATIC_ROOT = envstr("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # the service stores no files
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# --- language and time ---

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- limits of the domain ---

MAX_STEPS = 200
MAX_SLOTS = 50
MAX_EVENTS = 1_000  # of a run; past it no amendments and no pauses, so that every run can be brought to its end

# --- metrics and logs ---

PROMETHEUS_EXPORT_MIGRATIONS = False  # it would run SQL at start, so the service could not start without PostgreSQL
PROMETHEUS_LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, float("inf"),
)  # fmt: skip
LOG_FORMAT = envstr("LOG_FORMAT", default="console" if sys.stderr.isatty() else "json")
if LOG_FORMAT not in {"console", "json"}:
    raise ImproperlyConfigured(f"LOG_FORMAT must be console or json, not {LOG_FORMAT!r}.")
LOGGING_CONFIG = None
logging_config(LOG_FORMAT)
