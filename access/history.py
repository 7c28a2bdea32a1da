"""What was done to procedures, tokens and people: the history that the admin's pages show.

The entries are Django's own, so one page tells what was done there, through the API and on the command line, and by
whom. An entry is written in the transaction of what it records, so neither exists without the other.
"""

from collections.abc import Iterable

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

SYSTEM = "(system)"
"""Whom the history names where no person acted: a command, a limit. Brackets keep people from choosing the name."""

MAX_SUBJECT_LENGTH = 200


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


def has_acted(user: User) -> bool:
    """Tell whether the history names the user; such a user is deactivated, not deleted: their entries would go too."""
    return LogEntry.objects.filter(user=user).exists()


def _system() -> User:
    """Return the account without a password under which the service itself is recorded."""
    account, is_new = User.objects.get_or_create(username=SYSTEM, defaults={"is_active": False})
    if is_new:
        account.set_unusable_password()
        account.save(update_fields=["password"])
    return account
