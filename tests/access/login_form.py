"""Logging in, as a browser does."""

from typing import Any

from django.test import Client

LOGIN = "/admin/login/"


def log_in(client: Client, username: str, typed: str = "wrong", **extra: Any) -> Any:
    """Send the login form."""
    return client.post(LOGIN, {"username": username, "password": typed, "next": "/admin/"}, **extra)
