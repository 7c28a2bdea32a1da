"""Make the schema and a person of each role, and print their tokens as JSON: `python -m tests.people`.

It runs as a process of its own, whose environment names the database.
"""

import json
import os
import sys

import django
from django.core.management import call_command

ADMIN_PASSWORD = "of-the-tests-alone"


def migrate_and_make_people() -> dict[str, str]:
    """Set Django up, migrate, and return a token for each role."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
    django.setup()
    call_command("migrate", verbosity=0)

    from procedures_project import demo_data  # noqa: PLC0415  # its models need django.setup()

    return demo_data.load(sample_data=False, admin_password=ADMIN_PASSWORD, known_tokens={})


if __name__ == "__main__":
    json.dump(migrate_and_make_people(), sys.stdout)
