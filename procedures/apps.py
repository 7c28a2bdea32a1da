"""App registration."""

from django.apps import AppConfig


class ProceduresConfig(AppConfig):
    """Procedures, their revisions and steps."""

    name = "procedures"

    def ready(self) -> None:
        from procedures import signals  # noqa: F401, PLC0415  # importing them connects them, once the models are loaded
