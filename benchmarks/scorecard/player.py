"""A process of a contestant: it reads and writes as told, and stops where it is told to.

`python -m benchmarks.scorecard.player APPLICATION TOKEN`. One command a line (JSON) on standard input, each answered
by a line; a stop on the way is a line of its own, and lasts until the next line comes. It has one thread, so
nothing happens in it meanwhile.
"""

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from io import BytesIO
from typing import Any, NoReturn
from wsgiref.util import setup_testing_defaults

import django
from django.db import connection, transaction
from django.urls import get_resolver
from django.utils.module_loading import import_string

PATH = "/procedures"
KEY = "watched"  # the procedure that is written
TABLE = "procedures_procedure"
NUMBER_SHOWN = re.compile(rb'"number-(\d+)"')

Message = dict[str, Any]


class HookFailed(Exception):
    """Another app's hook could not do its work."""


class Stop(StrEnum):
    """Where a player can be told to stop."""

    ROWS_READ = "rows read"  # the rows have been selected; nothing has been built from them, or stored
    BEFORE_UPDATE = "before the update"  # the statement is about to be sent
    WRITTEN = "written"  # the statement has been executed; no signal has been sent, nothing is committed
    BEFORE_COMMIT = "before COMMIT"  # all is done that is done in the transaction
    COMMITTED = "committed"  # COMMIT has been answered; no hook has run


class Way(StrEnum):
    """How a player writes."""

    SAVE = "save"
    TRANSACTION = "save in a transaction"
    FAILING_HOOK = "save in a transaction where another app's hook fails"
    UPDATE = "QuerySet.update"
    SQL = "SQL through Django's cursor"


def tag_of(number: int) -> str:
    """Return the tag that shows the number of a write."""
    return f"number-{number}"


# Speaking


def say(message: Message) -> None:
    """Print a line for whoever directs."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def wait_to_go_on() -> None:
    """Say that this player has stopped, and return when it is told to go on."""
    say({"stopped": True})
    sys.stdin.readline()


# Stopping


class Gate:
    """Stops this player once, at the point that was last asked for."""

    def __init__(self) -> None:
        self._point: Stop | None = None

    def arm(self, point: Stop | None) -> None:
        """Stop at this point the next time that it is passed; or nowhere."""
        self._point = point

    def pass_point(self, point: Stop) -> None:
        """Stop here if this is the point."""
        if self._point is point:
            self._point = None
            wait_to_go_on()

    def around_statement(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Stop before or after the statements that touch the table: Django's own instrument, the same for all."""
        touches, is_update = TABLE in sql, sql.lstrip().startswith("UPDATE")
        if touches and is_update:
            self.pass_point(Stop.BEFORE_UPDATE)
        result = execute(sql, params, many, context)
        if touches:
            self.pass_point(Stop.WRITTEN if is_update else Stop.ROWS_READ)
        return result


def install(gate: Gate) -> None:
    """Let this process's connection to PostgreSQL pass through the gate."""
    connection.execute_wrappers.append(gate.around_statement)
    commit = connection.commit

    def commit_and_pass() -> None:
        gate.pass_point(Stop.BEFORE_COMMIT)
        commit()
        gate.pass_point(Stop.COMMITTED)

    connection.commit = commit_and_pass  # type: ignore[method-assign]


# Reading


def read(application: Callable[..., Any], token: str) -> Message:
    """Return the number that a GET of the list shows, or what else was answered."""
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": PATH, "HTTP_AUTHORIZATION": f"Bearer {token}", "wsgi.input": BytesIO()}
    statuses: list[str] = []
    answer = application(environ, lambda status, *_rest: statuses.append(status))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):  # as PEP 3333 has it
            answer.close()
    shown = NUMBER_SHOWN.search(body)
    if shown is None:
        return {"error": f"{statuses[0]}: {body[:200]!r}"}
    return {"number": int(shown[1])}


# Writing


def save(number: int) -> None:
    """Write as Django's tutorial does."""
    from procedures.models import Procedure  # noqa: PLC0415  # needs django.setup()

    procedure = Procedure.objects.get(key=KEY)
    procedure.tags = [tag_of(number)]
    procedure.save()


def save_in_transaction(number: int) -> None:
    """Write as a view under ATOMIC_REQUESTS does."""
    with transaction.atomic():
        save(number)


def save_beside_a_failing_hook(number: int) -> None:
    """Write while another app has a hook in the queue that fails, and get over it as a careful view does."""
    with suppress(HookFailed), transaction.atomic():
        transaction.on_commit(_fail)
        save(number)


def update(number: int) -> None:
    """Write in bulk: Django sends no signal."""
    from procedures.models import Procedure  # noqa: PLC0415  # needs django.setup()

    Procedure.objects.filter(key=KEY).update(tags=[tag_of(number)])


def execute_sql(number: int) -> None:
    """Write past the ORM, through Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET tags = %s WHERE key = %s", [[tag_of(number)], KEY])  # noqa: S608


def _fail() -> NoReturn:
    raise HookFailed


WAYS: dict[Way, Callable[[int], None]] = {
    Way.SAVE: save,
    Way.TRANSACTION: save_in_transaction,
    Way.FAILING_HOOK: save_beside_a_failing_hook,
    Way.UPDATE: update,
    Way.SQL: execute_sql,
}


def write(way: Way, number: int) -> Message:
    """Write; tell what a view that does not expect an error would have failed with."""
    try:
        WAYS[way](number)
    except Exception as error:  # noqa: BLE001  # each contestant's cache fails in its own way
        return {"error": f"{type(error).__name__}: {error}"}
    return {}


def main(application_name: str, token: str) -> None:
    """Obey until the commands end."""
    django.setup()
    application = import_string(application_name)
    _ = get_resolver().url_patterns  # loads the views and, with them, the peers' receivers
    gate = Gate()
    install(gate)
    say({})
    for line in sys.stdin:
        command: Message = json.loads(line)
        gate.arm(Stop(command["stop"]) if command["stop"] else None)
        if command["verb"] == "read":
            say(read(application, token))
        else:
            say(write(Way(command["way"]), command["number"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
