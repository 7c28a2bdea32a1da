"""Give the people of a demo a password: `python -m tests.browser.passwords NAME…`, which reads it from standard input.

It runs as a process of its own, whose environment names the demo's database.
"""

import os
import sys

import django


def main(names: list[str]) -> None:
    """Set the password of each."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
    django.setup()

    from django.contrib.auth.models import User  # noqa: PLC0415  # it needs django.setup()

    password = sys.stdin.read()
    for user in User.objects.filter(username__in=names):
        user.set_password(password)
        user.save(update_fields=["password"])


if __name__ == "__main__":
    main(sys.argv[1:])
