"""All settings. Only this module reads the environment; .env.example lists every variable it reads."""

import os
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import django_stubs_ext

from procedures_project import __version__
from procedures_project import environment_rules as rules
from procedures_project.environment import Environment
from procedures_project.logging_config import FORMATS, LEVELS, default_format, logging_config
from procedures_project.metric_files import count_in
from versioned_cache.addresses import Credentials
from versioned_cache.configuration import checked_redis_url, redis_caches

django_stubs_ext.monkeypatch()  # generic Django classes, before any app is imported

BASE_DIR = Path(__file__).resolve().parent.parent


env = Environment(os.environ)


def postgresql_connection(parameters: dict[str, Any]) -> dict[str, Any]:
    """Translate the parameters of libpq into Django's terms."""
    parameters = {**parameters}
    options = parameters.get("options", "")
    return {
        "NAME": parameters.pop("dbname", ""),
        "USER": parameters.pop("user", ""),
        "PASSWORD": parameters.pop("password", ""),
        "HOST": parameters.pop("host", ""),
        "PORT": parameters.pop("port", ""),
        "OPTIONS": {  # what the operator wrote wins
            **DATABASE_TIMEOUTS,
            **parameters,
            "transaction_settings": {
                name: value for name, value in TRANSACTION_TIMEOUTS.items() if name not in str(options)
            },
        },
        # A pooler may lend the next transaction another session, which knows nothing of a cursor of this one.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


# --- core ---

key = rules.secret(rules.SECRET_KEY_CHARACTERS)
SECRET_KEY = env.required("SECRET_KEY", key, stand_in="")
SECRET_KEY_FALLBACKS: list[str] = env.optional("SECRET_KEY_FALLBACKS", rules.comma_separated(key), default=[])
ALLOWED_HOSTS: list[str] = env.required("ALLOWED_HOSTS", rules.comma_separated(rules.allowed_host), stand_in=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.optional("CSRF_TRUSTED_ORIGINS", rules.comma_separated(rules.origin), default=[])
# Pages of other origins whose scripts may use the API; nobody's cookies count there, only tokens.
CORS_ALLOWED_ORIGINS: list[str] = env.optional(
    "CORS_ALLOWED_ORIGINS", rules.comma_separated(rules.exact_origin), default=[]
)
CORS_URLS_REGEX = r"^/(?!admin(/|$))"
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match"]
CORS_EXPOSE_HEADERS = [
    "ETag", "Location", "Retry-After", "Server-Timing", "X-Request-ID", "Idempotent-Replayed", "RateLimit",
    "RateLimit-Policy", "Content-Disposition",
]  # fmt: skip
DEBUG = False
ROOT_URLCONF = "procedures_project.urls"
WSGI_APPLICATION = "procedures_project.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "procedures_project.administration.Administration",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "procedures_project.static_files.StaticFiles",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    *(["corsheaders"] if CORS_ALLOWED_ORIGINS else []),
    "axes",  # before access, which logs what axes has counted
    "access",
    "versioned_cache",
    "procedures",
    "runs",
    "django_htmx",  # htmx's script, for the console
    "console",
    "procedures_project",
]

MIDDLEWARE = [
    "procedures_project.request_records.RequestRecordMiddleware",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "django.middleware.security.SecurityMiddleware",
    "procedures_project.security_headers.SecurityHeadersMiddleware",
    "procedures_project.static_files.StaticFilesMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "access.logins.PasswordsBusyMiddleware",
    "axes.middleware.AxesMiddleware",
    "procedures_project.refusals.MethodNotAllowedMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "procedures_project" / "admin_templates"],  # ahead of the admin's own
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

DATABASE_TIMEOUTS = {
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# A lock held longer than this is answered 503, instead of queueing requests behind it without bound. Set in each
# transaction, since a session may be shared with others (PgBouncer).
TRANSACTION_TIMEOUTS = {"lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}
DATABASES = {
    "default": {
        "ENGINE": "procedures_project.postgresql",
        **postgresql_connection(env.required("DATABASE_URL", rules.postgresql_parameters, stand_in={})),
        # Persistent connections with a health check recover from a restart of PostgreSQL in
        # milliseconds; a psycopg pool stalls for its whole timeout.
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    },
}

# --- Redis or Valkey: the versioned cache ---

REDIS_URL = env.required("REDIS_URL", checked_redis_url, stand_in="redis://localhost")
CACHES = redis_caches(
    REDIS_URL,
    client_name="procedures",
    credentials=Credentials(
        env.optional("REDIS_USERNAME", rules.text, default=""), env.optional("REDIS_PASSWORD", rules.text, default="")
    ),
    sentinel_credentials=Credentials(
        env.optional("REDIS_SENTINEL_USERNAME", rules.text, default=""),
        env.optional("REDIS_SENTINEL_PASSWORD", rules.text, default=""),
    ),
)
CACHE_METRIC_PREFIX = "backend_procedure_cache"
CACHE_EVENT_PREFIX = "procedure_cache"
# The lease X: how long a crash, a lost bump or a write past the service can go unnoticed at most.
# A process that takes half of it between two commands is refused and tries again, so it must not be too short.
CACHE_LEASE_MS = env.optional("CACHE_LEASE_MS", rules.whole_number(200, 3_600_000), default=5000)
CACHE_MAX_PAYLOAD_BYTES = env.optional(
    "CACHE_MAX_PAYLOAD_BYTES", rules.whole_number(1024, 256 * 1024**2), default=32 * 1024**2
)
CACHE_LOG_HITS = env.optional("CACHE_LOG_HITS", rules.share, default=1.0)

# --- who may do what ---

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "access.passwords.BoundedArgon2PasswordHasher",
    "access.passwords.BoundedPBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # stops those who are locked out, before a password is hashed
    "django.contrib.auth.backends.ModelBackend",
]
METRICS_TOKEN = env.optional("METRICS_TOKEN", rules.secret(rules.METRICS_TOKEN_CHARACTERS), default="")
METRICS_OPEN_TO_LOOPBACK = env.optional("METRICS_OPEN_TO_LOOPBACK", rules.flag, default=False)

# --- how often ---

# Failed logins of one name from one address, until it is locked out there for a while (access/logins.py).
AXES_FAILURE_LIMIT = env.optional("LOGIN_FAILURES", rules.whole_number(1, 1_000), default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.optional("LOGIN_LOCKOUT_MINUTES", rules.whole_number(1, 10_080), default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "access.logins.LoginHandler"
AXES_CLIENT_IP_CALLABLE = "access.logins.address_of"
AXES_USERNAME_CALLABLE = "access.logins.counted_name"
AXES_LOCKOUT_CALLABLE = "access.logins.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # a refused login makes PostgreSQL write nothing
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]  # never stored with an attempt
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # access/admin.py has what is needed
AXES_VERBOSE = False

# Requests a minute of one token in one worker; 0 is no limit.
TOKEN_READS_PER_MINUTE = env.optional("TOKEN_READS_PER_MINUTE", rules.whole_number(0, 1_000_000), default=0)
TOKEN_WRITES_PER_MINUTE = env.optional("TOKEN_WRITES_PER_MINUTE", rules.whole_number(0, 1_000_000), default=0)
# Wrong tokens a minute from one address in one worker, until PostgreSQL is not asked about more; 0 is no limit.
WRONG_TOKENS_PER_MINUTE = env.optional("WRONG_TOKENS_PER_MINUTE", rules.whole_number(0, 1_000_000), default=60)

# --- HTTP ---

# Only for a demo or a test on this machine; everywhere else, HTTPS and secure cookies.
INSECURE_HTTP = env.optional("INSECURE_HTTP", rules.flag, default=False)
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # probes and scrapers speak HTTP to the pod
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.optional("BEHIND_TLS_PROXY", rules.flag, default=False) else None
)
# The proxies whose X-Forwarded-For is believed; `unix` is whoever connects to a Unix socket.
TRUSTED_PROXIES: list[IPv4Network | IPv6Network | None] = env.optional(
    "TRUSTED_PROXIES", rules.comma_separated(rules.proxy), default=[]
)
TRUSTS_UNIX_SOCKET = None in TRUSTED_PROXIES
TRUSTED_NETWORKS = [network for network in TRUSTED_PROXIES if network is not None]
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else 31_536_000  # one year, hstspreload.org's minimum
SESSION_COOKIE_SECURE = not INSECURE_HTTP
CSRF_COOKIE_SECURE = not INSECURE_HTTP
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "procedures_project.refusals.csrf_failure"
LOGIN_URL = "console:sign-in"
LOGIN_REDIRECT_URL = "console:home"
MAX_BODY_BYTES = 64 * 1024
# The admin's forms are larger than an API body: a revision of 200 steps has 2,000 fields.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["access.authentication.BearerTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "access.rights.MayRead"],
    # Without a limit there is no throttle. The gate asks the same limiter for the reads that it answers itself.
    "DEFAULT_THROTTLE_CLASSES": (
        ["access.limits.TokenThrottle"] if TOKEN_READS_PER_MINUTE or TOKEN_WRITES_PER_MINUTE else []
    ),
    "DEFAULT_PARSER_CLASSES": ["rest.json_bodies.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest.json_bodies.ExactJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest.negotiation.WeighingNegotiation",
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
        {"name": "runs", "description": "What was done: a run executes one revision; its history is never rewritten."},
        {"name": "me", "description": "Who you are, and what you may do."},
    ],
    "COMPONENT_SPLIT_REQUEST": True,  # what is taken is stricter than what is answered
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enum_id_removal"],  # enumerations stay inline
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATION_PARAMETERS": False,
}

STATIC_URL = "static/"
STATIC_ROOT = env.optional("STATIC_ROOT", rules.text, default=str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # the service stores no files
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# --- the gate: how many requests are in Django at once, and how many wait for that ---

DJANGO_THREADS = env.optional(
    "DJANGO_THREADS", rules.THREADS, default=4
)  # a worker's; each may hold a connection to PostgreSQL
DJANGO_QUEUE_LENGTH = env.optional("DJANGO_QUEUE_LENGTH", rules.whole_number(0, 100_000), default=64)
DJANGO_QUEUE_SECONDS = 2.0
SERVE_HOST = env.optional("SERVE_HOST", rules.listening_address, default="127.0.0.1")
SERVE_PORT = env.optional("SERVE_PORT", rules.PORT, default=8000)
SERVE_SOCKET = env.optional("SERVE_SOCKET", rules.socket_path, default="")
SERVE_WORKERS = env.optional("SERVE_WORKERS", rules.WORKERS, default=2)
SERVE_CONNECTIONS = env.optional("SERVE_CONNECTIONS", rules.CONNECTIONS, default=8_192)
SERVE_DRAIN_SECONDS = env.optional("SERVE_DRAIN_SECONDS", rules.DRAIN_SECONDS, default=0)
DRAIN_FILE = env.optional("DRAIN_FILE", Path, default=None)

# --- language and time ---

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "procedures_project.formats"

# --- limits of the domain ---

MAX_STEPS = 200
MAX_SLOTS = 50
MAX_EVENTS = 1_000  # of a run; past it no amendments and no pauses, so that every run can be brought to its end

# --- metrics and logs ---

PROMETHEUS_EXPORT_MIGRATIONS = False  # it would run SQL at start, so the service could not start without PostgreSQL
PROMETHEUS_LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, float("inf"),
)  # fmt: skip
LOG_FORMAT = env.optional("LOG_FORMAT", rules.one_of(*FORMATS), default=default_format())
LOG_LEVEL = env.optional("LOG_LEVEL", rules.one_of(*LEVELS), default="info")
LOGGING_CONFIG = None
# Both need what requirements/telemetry.txt adds; their SDKs read more variables of their own.
OTEL_EXPORTER_OTLP_ENDPOINT = env.optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT", rules.with_extra("opentelemetry.sdk", rules.endpoint), default=""
)
OTEL_SERVICE_NAME = env.optional("OTEL_SERVICE_NAME", rules.text, default="procedures")
SENTRY_DSN = env.optional("SENTRY_DSN", rules.with_extra("sentry_sdk", rules.sentry_dsn), default="")
METRICS_DIR = env.optional("PROMETHEUS_MULTIPROC_DIR", Path, default=None)
SERIES = "procedures_project.metrics.series_of_all_processes"  # for the console, which is a storey below

env.close()
logging_config(LOG_FORMAT, LOG_LEVEL)
count_in(METRICS_DIR)
