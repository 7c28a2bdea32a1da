"""Texts in procedures are found by an index, and what is found is what a look at all of them finds."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from procedures import drafts
from procedures.models import Procedure, ProcedureGrams, ProcedureQuerySet, Revision, RevisionQuerySet
from procedures.search import contains, ids_if_few
from rest import timestamps
from tests.conftest import ApiClient
from tests.factories import archive, body, publish, unhurried

pytestmark = pytest.mark.django_db

# Letters whose capitals are none, several or another one's, marks that combine, signs of patterns and of queries, and
# characters outside of the first plane; few of them, so that texts often have parts in common.
LETTERS = "aAbB ßſıİiIﬁﬃé\u0301\u0307ΐσς%_\\'\"|&!():*<->\n\U0001f9ea\U00010428\U00010400"  # noqa: RUF001  # they are meant
any_characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.text(LETTERS, max_size=12) | st.text(any_characters, max_size=50)
changes: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, str.upper, str.lower, str.swapcase, str.casefold]
)


def execute(statement: str, *parameters: Any) -> Any:
    """Run a statement, and return the first value that it finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def revise(title: str, description: str) -> None:
    """Publish texts that no author could, as the current revision of the only procedure."""
    now = timestamps.now()
    procedure = Procedure.objects.first() or publish(body("a-b-1"))
    procedure.current = procedure.revisions.create(
        number=procedure.revisions.count() + 1, title=title, description=description, created_at=now, published_at=now
    )
    procedure.save()


def found(text: str) -> list[str]:
    """Return the keys of the procedures that contain the text."""
    return [procedure.key for procedure in Procedure.objects.containing(text)]


@st.composite
def parts(draw: st.DrawFn, whole: str) -> str:
    """Return a part of a text, in capitals or not."""
    begin = draw(st.integers(0, len(whole)))
    return draw(changes)(whole[begin : draw(st.integers(begin, len(whole)))])


def test_grams_are_three_characters_in_a_row_and_the_shorter_ones_at_the_end() -> None:
    assert execute("SELECT procedures_grams('A B🧪')") == ["A B", " B🧪", "B🧪", "🧪"]
    assert execute("SELECT procedures_grams('')") == []


@unhurried
@given(st.data(), texts, texts)
def test_what_is_found_is_what_a_look_at_all_procedures_finds(
    data: st.DataObject, title: str, description: str
) -> None:
    revise(title, description)
    looked_for = data.draw(parts(title) | parts(description) | parts("a-b-1") | texts, label="looked for")

    assert found(looked_for) == [procedure.key for procedure in Procedure.objects.filter(contains(looked_for))]


@unhurried
@given(st.data(), texts.filter(bool))
def test_every_part_of_a_text_is_found_by_its_grams_whatever_are_its_capitals(data: st.DataObject, text: str) -> None:
    begin = data.draw(st.integers(0, len(text) - 1))
    part = text[begin : data.draw(st.integers(begin + 1, len(text)))]

    assert execute("SELECT array_to_tsvector(procedures_grams(%s)) @@ procedures_grams_query(%s)", text, part)


PARTS = [
    "Cloning",
    "gibson-c",
    "g",
    "nìn",
    "3' END",
    "100 %",
    "a_b",
    "'ab'\\n",
    "C:\\",
    "\\",
    " 3",
    "\U0001f9ea",
    "ab' ",
]


@pytest.mark.parametrize("part", PARTS)
def test_any_part_of_a_key_a_title_or_a_description_is_found(part: str) -> None:
    description = "At 3' end: 100 % of a_b, 'ab'\\n, C:\\\\ or 'ab' \U0001f9ea"
    publish(body("gibson-cloning", title="Klönìng in Köln", description=description))
    publish(body("other", title="x", description="x"))

    assert found(part) == ["gibson-cloning"]


@pytest.mark.parametrize(
    "text", ["a%b", "a_b", "a\\b", "bca", "gibson cloning", "ab'", "':*", "z", "abcd\nx", "%%", "__"]
)
def test_what_no_procedure_contains_is_not_found(text: str) -> None:
    publish(body("gibson", title="axb bc ca", description="abcd"))
    publish(body("cloning", title="x", description="x"))

    assert found(text) == []


def test_a_procedure_is_found_by_its_current_revision_alone() -> None:
    publish(body("gibson", title="Before"))
    publish(body("gibson", title="After"))

    assert (found("before"), found("after")) == ([], ["gibson"])


def test_a_draft_is_found_by_its_key_in_the_admin_and_by_its_texts_once_it_is_published(
    admin_client: Client, admin_user: User
) -> None:
    now = timestamps.now()
    head = Procedure.objects.create(key="fresh", created_at=now, updated_at=now)
    draft = drafts.open_draft(procedure=head, actor=admin_user, now=now)
    draft.title = "Unheard of"
    draft.save()
    draft.steps.create(key="measure", position=1, title="Measure")

    assert (found_in_the_admin(admin_client, "FRE"), found("unheard")) == (["fresh"], [])
    drafts.publish_draft(draft=draft, actor=admin_user, now=now)
    assert (found_in_the_admin(admin_client, "unheard"), found("unheard")) == (["fresh"], ["fresh"])


def test_a_draft_that_gets_another_key_is_found_by_that_one() -> None:
    now = timestamps.now()
    Procedure.objects.create(key="before", created_at=now, updated_at=now)

    Procedure.objects.update(key="after")

    assert (found("before"), found("after")) == ([], ["after"])


def test_a_procedure_whose_head_was_copied_before_its_revision_is_found_by_its_texts() -> None:
    execute("""
        INSERT INTO procedures_procedure (id, key, status, tags, current_id, created_at, updated_at)
        VALUES (70000, 'copied', 'active', '{}', 70001, now(), now())
    """)
    execute("""
        INSERT INTO procedures_revision (
            id, procedure_id, number, title, description, ordering, change_note, content_sha256, step_count,
            created_at, published_at
        )
        VALUES (70001, 70000, 1, 'Unheard of', 'Indescribable', 'strict', '', '', 0, now(), now())
    """)
    connection.check_constraints()

    assert (found("nheard"), found("scribab"), found("opie")) == (["copied"], ["copied"], ["copied"])


def test_a_removed_head_leaves_no_grams_behind() -> None:
    now = timestamps.now()
    Procedure.objects.create(key="by-hand", created_at=now, updated_at=now)
    other = Procedure.objects.create(key="by-django", created_at=now, updated_at=now)

    execute("DELETE FROM procedures_procedure WHERE key = 'by-hand'")
    other.delete()
    connection.check_constraints()

    assert not ProcedureGrams.objects.exists()


def test_an_archived_procedure_is_found_among_the_archived_ones(viewer: ApiClient) -> None:
    publish(body("gibson"))
    archive("gibson")

    assert viewer.get("/procedures?q=ibso").json() == []
    assert [item["key"] for item in viewer.get("/procedures?q=ibso&status=archived").json()] == ["gibson"]


def test_a_write_that_changes_no_text_leaves_the_grams_as_they_are() -> None:
    publish(body("gibson"))
    before = execute("SELECT ctid::text FROM procedures_proceduregrams")

    archive("gibson")
    Procedure.objects.update(tags=["lab"])

    assert execute("SELECT ctid::text FROM procedures_proceduregrams") == before


def test_ids_that_an_index_finds_are_returned_while_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procedures.search.FEW", 2)
    execute("SET LOCAL enable_seqscan = off")  # small tables are looked through otherwise
    with_text = Procedure.objects.candidates_for(["ibso"]).order_by().values("pk")
    procedures = [publish(body(key)) for key in ("gibson", "ibsen", "gibson-2")]

    few = ids_if_few(with_text)
    publish(body("gibson-3"))

    assert set(few or ()) == {procedures[0].pk, procedures[2].pk}
    assert ids_if_few(with_text) is None


def test_no_ids_are_asked_for_where_the_whole_table_would_be_looked_through() -> None:
    assert ids_if_few(Procedure.objects.order_by().values("pk")) is None


def test_a_text_longer_than_what_is_looked_up_is_compared_to_its_end() -> None:
    publish(body("gibson", description="a" * 300 + "b"))

    assert (found("A" * 300 + "B"), found("a" * 300 + "c")) == (["gibson"], [])


def test_grams_of_procedures_from_before_are_noted_by_the_migration() -> None:
    keys = [f"old-{number}" for number in range(100, 300)]  # which are more than it takes at once
    now = timestamps.now()
    Procedure.objects.bulk_create(Procedure(key=key, created_at=now, updated_at=now) for key in keys)
    publish(body("gibson", title="Cloning"))
    ProcedureGrams.objects.all().delete()

    with connection.schema_editor() as editor:
        import_module("procedures.migrations.0008_grams_of_old_procedures").note_grams(None, editor)

    assert found("old-") == keys
    assert found("lonin") == ["gibson"]


def found_in_the_admin(browser: Client, term: str, model: str = "procedure") -> list[str]:
    """Return what the admin's list shows for a search."""
    page: Any = browser.get(reverse(f"admin:procedures_{model}_changelist"), {"q": term})
    return [str(one) for one in page.context_data["cl"].result_list]


TERMS = [
    "ibson", "IBSON clo", "clo ibson", "'gibson cloning'", '"gibson cloning"', "'cloning gibson'", '"', "'", '""', "\\",
    r"'it\'s'", "it's", "%", "_", "described", "gibson described", "a\0b", " ", "clo " * 20 + "x",
]  # fmt: skip


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("model", ["procedure", "revision"])
def test_the_admin_finds_what_djangos_own_search_finds(
    admin_client: Client, admin_user: User, monkeypatch: pytest.MonkeyPatch, model: str, term: str
) -> None:
    publish(body("gibson", title="Gibson cloning 'it's' 100 % \\ _", description="Described"))
    draft = drafts.open_draft(procedure=publish(body("cloning", title="x")), actor=admin_user, now=timestamps.now())
    Revision.objects.filter(pk=draft.pk).update(title="gibson's _")
    publish(body("gibson", title="Clo"))

    execute("SET LOCAL enable_seqscan = off")  # small tables are looked through otherwise
    by_index = found_in_the_admin(admin_client, term, model)
    for queries in (ProcedureQuerySet, RevisionQuerySet):
        monkeypatch.setattr(queries, "candidates_for", lambda everything, _texts: everything)

    assert found_in_the_admin(admin_client, term, model) == by_index


def test_the_admin_finds_earlier_revisions_and_drafts_by_their_titles(admin_client: Client, admin_user: User) -> None:
    gibson = publish(body("gibson", title="Before"))
    publish(body("gibson", title="After"))
    draft = drafts.open_draft(procedure=gibson, actor=admin_user, now=timestamps.now())
    Revision.objects.filter(pk=draft.pk).update(title="Later")

    found = [found_in_the_admin(admin_client, term, "revision") for term in ("EFOR", "gibs fter", "late", "never")]

    assert found == [["gibson revision 1"], ["gibson revision 2"], ["gibson draft"], []]
