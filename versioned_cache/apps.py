"""App registration."""

from django.apps import AppConfig


class VersionedCacheConfig(AppConfig):
    """The versioned cache."""

    name = "versioned_cache"
