"""Make the schema and what is watched, and print a viewer's token; a process of its own."""

import secrets
import sys

import django
from django.core.management import call_command

from benchmarks.scorecard.player import KEY, tag_of


def main() -> None:
    """Migrate, load, and print."""
    django.setup()
    call_command("migrate", verbosity=0)

    from procedures_project import demo_data  # noqa: PLC0415  # its models need django.setup()
    from tests import factories  # noqa: PLC0415

    tokens = demo_data.load(sample_data=False, admin_password=secrets.token_urlsafe(12), known_tokens={})
    factories.publish(factories.body(KEY, tags=[tag_of(0)]))
    sys.stdout.write(tokens["viewer"])


if __name__ == "__main__":
    main()
