"""The grams of procedures from before are noted while people write several procedures in one transaction.

first   writes one procedure
other   notes the grams of another one, and has to wait for the first
first   writes the other one too: it is free; commits
other   goes on, and notes nothing older than that
"""

from importlib import import_module

import pytest
from django.db import connection

from procedures.models import Procedure, ProcedureGrams
from tests.factories import archive, body, publish
from tests.meetings import meet

pytestmark = pytest.mark.django_db(transaction=True)

MIGRATION = import_module("procedures.migrations.0008_grams_of_old_procedures")


@pytest.fixture(autouse=True)
def _procedures_from_before() -> None:
    """Two procedures without grams."""
    publish(body("first", title="Before"))
    publish(body("second", title="Before"))
    ProcedureGrams.objects.all().delete()


def note_grams() -> None:
    """Do what the migration does."""
    with connection.schema_editor(atomic=False) as editor:
        MIGRATION.note_grams(None, editor)


def found(text: str) -> list[str]:
    """Return the keys of the procedures that contain the text."""
    return [procedure.key for procedure in Procedure.objects.containing(text)]


def test_whoever_archives_several_procedures_and_whoever_notes_grams_do_not_wait_in_a_circle() -> None:
    meet(lambda: archive("second"), note_grams, then=lambda: archive("first"))

    assert found("before") == ["first", "second"]


def test_an_import_of_several_procedures_and_whoever_notes_grams_do_not_wait_in_a_circle() -> None:
    def publish_after(key: str) -> None:
        publish(body(key, title="After"))

    meet(lambda: publish_after("second"), note_grams, then=lambda: publish_after("first"))

    assert (found("before"), found("after")) == ([], ["first", "second"])


def test_an_interrupted_filling_goes_on_where_it_was() -> None:
    note_grams()
    ProcedureGrams.objects.filter(procedure__key="first").update(grams="'KEPT'")
    ProcedureGrams.objects.filter(procedure__key="second").delete()

    note_grams()

    assert str(ProcedureGrams.objects.get(procedure__key="first")) == "'KEPT'"
    assert found("before") == ["second"]
