"""The settings of the bookshop. Where PostgreSQL is, libpq's own variables say (PGHOST, PGUSER …)."""

import os

import structlog

from versioned_cache.configuration import redis_caches

SECRET_KEY = "the bookshop signs nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "books.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

INSTALLED_APPS = ["versioned_cache", "books"]
CACHES = redis_caches(os.environ["REDIS_URL"], client_name="bookshop")
CACHE_METRIC_PREFIX = "bookshop_cache"
CACHE_EVENT_PREFIX = "bookshop_cache"
structlog.configure([structlog.processors.add_log_level, structlog.processors.JSONRenderer()])
