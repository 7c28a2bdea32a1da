"""App registration."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """API tokens and roles."""

    name = "access"
    verbose_name = "Access"

    def ready(self) -> None:
        from access import logins  # noqa: F401, PLC0415  # registers receivers
