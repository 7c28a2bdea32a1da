"""App registration: an app of its own, so that it can have its own migrations."""

from django.apps import AppConfig


class VersionedCacheConfig(AppConfig):
    """The versioned cache."""

    name = "procedures.versioned_cache"
    label = "versioned_cache"
