"""App registration."""

from django.apps import AppConfig


class ProceduresConfig(AppConfig):
    """Procedures, their revisions and steps."""

    name = "procedures"

    def ready(self) -> None:
        from procedures import signals  # noqa: F401, PLC0415  # they register at import, after the models
