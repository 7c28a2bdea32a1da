"""App registration."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class VersionedCacheConfig(AppConfig):
    """The versioned cache."""

    name = "versioned_cache"

    def ready(self) -> None:
        from versioned_cache import checks  # noqa: F401, PLC0415  # registers them, after the models

        # What is cached is declared there; so every series exists before the first request.
        autodiscover_modules("caches")
