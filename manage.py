#!/usr/bin/env python
"""Entry point of every operator command."""

import errno
import os
import sys

from procedures_project.log_output import STANDARD_OUTPUT, reserve_standard_streams

UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC})
"""What the reader of a pipe who is gone leads to, and a full disk."""


def serve(arguments: list[str]) -> None:
    """Become the web server, or say on its log why not: programs read that, from the first line on."""
    import django
    from django.core.management import call_command

    from procedures_project.start_failures import log_start_failure

    try:
        django.setup()
        call_command("serve", *arguments, skip_checks=False)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is an event
        log_start_failure(error)
        sys.exit(1)


def main() -> None:
    """Run the command named on the command line."""
    reserve_standard_streams()
    if sys.argv[1:2] == ["demo"]:
        # The demo makes the servers and secrets that settings.py insists on, so it runs before they are read.
        from procedures_project.demo import main as run_demo

        sys.exit(run_demo(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
    from procedures_project.logging_config import log_before_settings

    if sys.argv[1:2] == ["serve"] and log_before_settings(os.environ) == "json":
        serve(sys.argv[2:])
        return
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, InterfaceError

    from procedures_project.environment import WrongEnvironment
    from rest.exact_json import SURROGATE
    from rest.sqlstates import Meaning, meaning_of

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except WrongEnvironment as error:
        sys.exit(str(error))
    except (DatabaseError, InterfaceError) as error:
        if "--traceback" in sys.argv or meaning_of(getattr(error.__cause__, "sqlstate", None)) is Meaning.FAULT:
            raise
        sys.exit(f"PostgreSQL: {' '.join(str(error).split())}")
    except UnicodeEncodeError:
        # Python reads bytes of arguments that are not UTF-8 as halves of surrogate pairs, which no text can have.
        unreadable = [argument for argument in sys.argv if SURROGATE.search(argument)]
        if "--traceback" in sys.argv or not unreadable:
            raise
        sys.exit(f"This is not UTF-8: {unreadable[0]!r}.")
    except OSError as error:
        if "--traceback" in sys.argv or error.errno not in UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), STANDARD_OUTPUT)  # what is left is not tried again at the end
        sys.exit(f"Not all of the output could be written: {error.strerror}.")


if __name__ == "__main__":
    main()
