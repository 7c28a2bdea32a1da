"""Let the people of a demo sign in: `python -m tests.browser.logins NAME…` gives each the password on standard input.

Authors write in the admin, so they become staff. It runs as a process of its own, whose environment names the demo's
database.
"""

import os
import sys

import django


def main(names: list[str]) -> None:
    """Set the password of each."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
    django.setup()

    from django.contrib.auth.models import User  # noqa: PLC0415  # it needs django.setup()

    from access.roles import Role  # noqa: PLC0415  # so does it

    password = sys.stdin.read()
    for user in User.objects.filter(username__in=names):
        user.set_password(password)
        user.is_staff |= user.groups.filter(name=Role.AUTHOR).exists()
        user.save(update_fields=["password", "is_staff"])


if __name__ == "__main__":
    main(sys.argv[1:])
