"""What was done to procedures, tokens and people: the history that the admin's pages show.

The entries are Django's own, so one page tells what was done there, through the API and on the command line, and by
whom. An entry is written in the transaction of what it records, so neither exists without the other.
"""

from collections.abc import Iterable
from functools import cache as once
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import PROTECT, Model, Q

from rest.timestamps import to_people

SYSTEM = "(system)"
"""Whom the history names where no person acted: a command, a limit. Brackets keep people from choosing the name."""

MAX_SUBJECT_LENGTH = 200
HISTORY: tuple[type[Model], str] = (LogEntry, "user_id")


def record(*subjects: Model, actor: User | None, what: str) -> None:
    """Write into the history of each subject that `actor` did `what`; None is the service itself."""
    user = actor or _system()
    LogEntry.objects.bulk_create(
        LogEntry(
            user=user,
            content_type=ContentType.objects.get_for_model(subject),
            object_id=str(subject.pk),
            object_repr=str(subject)[:MAX_SUBJECT_LENGTH],
            action_flag=CHANGE,
            change_message=what,
        )
        for subject in subjects
    )


def newest_of(subject: Model, beginning: Iterable[str] = ("",)) -> LogEntry | None:
    """Return the newest entry in the history of the subject that begins with one of these words."""
    words = Q()
    for word in beginning:
        words |= Q(change_message__startswith=word)
    entries = LogEntry.objects.filter(
        words, content_type=ContentType.objects.get_for_model(subject), object_id=str(subject.pk)
    )
    return entries.select_related("user").order_by("-action_time", "-pk").first()


def by_whom(entry: LogEntry | None) -> str:
    """Return who wrote an entry and when, to follow a word, in brackets; empty where there is none."""
    return "" if entry is None else f" ({entry.user} at {to_people(entry.action_time)})"


def has_acted(user: User) -> bool:
    """Tell whether the history or what must not be lost names the user. Whoever it names is deactivated, not deleted.

    Entries of the history would go with them; Django itself would read all else that they have done to tell.
    """
    return any(_has_row_of(user, model, column) for model, column in (HISTORY, *_what_keeps_people()))


def _has_row_of(user: User, model: type[Model], column: str) -> bool:
    # A range, in its order: for one value, PostgreSQL would look through the table until it has met it.
    rows = model._base_manager.filter(**{f"{column}__gte": user.pk, f"{column}__lte": user.pk})
    return rows.order_by(column).values_list(column).first() is not None


@once
def _what_keeps_people() -> list[tuple[type[Model], str]]:
    """Return the models whose rows protect the people that they name, each with the name of the column."""
    relations: Iterable[Any] = User._meta.get_fields(include_hidden=True)
    return [
        (relation.related_model, relation.field.attname)
        for relation in relations
        if relation.auto_created and getattr(relation, "on_delete", None) is PROTECT
    ]


def _system() -> User:
    """Return the account without a password under which the service itself is recorded."""
    account, is_new = User.objects.get_or_create(username=SYSTEM, defaults={"is_active": False})
    if is_new:
        account.set_unusable_password()
        account.save(update_fields=["password"])
    return account
