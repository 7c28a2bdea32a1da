"""App registration."""

from django.apps import AppConfig


class ProceduresConfig(AppConfig):
    """Procedures, their revisions and steps."""

    name = "procedures"

    def ready(self) -> None:
        from procedures import problems, signals  # noqa: F401, PLC0415  # both register at import, after the models
