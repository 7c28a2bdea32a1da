"""Make the cluster's schema and people, and print a token for each role as JSON; a process of its own."""

import json
import os
import secrets
import sys

import django
from django.core.management import call_command


def main() -> None:
    """Migrate, load, and print."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "procedures_project.settings"
    django.setup()
    call_command("migrate", verbosity=0)

    from procedures_project import demo_data  # noqa: PLC0415  # its models need django.setup()

    tokens = demo_data.load(sample_data=False, admin_password=secrets.token_urlsafe(12), known_tokens={})
    json.dump(tokens, sys.stdout)


if __name__ == "__main__":
    main()
