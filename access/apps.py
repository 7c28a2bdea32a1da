"""App registration."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """API tokens and roles."""

    name = "access"
    verbose_name = "Access"
