"""The console as a Django app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """People's pages."""

    name = "console"
