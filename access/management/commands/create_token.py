"""Issue an API token on the command line."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from access.actions import issue_token


class Command(BaseCommand):
    """`manage.py create_token USERNAME --name NAME` prints the token, once."""

    help = "Issue an API token for a user and print it. It cannot be printed again later."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="Where the token is used.")

    def handle(self, *, username: str, name: str, **_options: Any) -> None:
        try:
            user = User.objects.get(username=username)
        except User.DoesNotExist:
            raise CommandError(f"There is no user named {username!r}.") from None
        try:
            self.stdout.write(issue_token(user=user, name=name))
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}") from None
