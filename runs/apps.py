"""App registration."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Runs and their ledger."""

    name = "runs"

    def ready(self) -> None:
        from runs import signals  # noqa: F401, PLC0415  # importing them connects them, once the models are loaded
