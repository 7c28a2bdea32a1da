"""The grammar of keys is the owner's, to the letter; and no two kinds can have a resource of the same name."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from procedures.caches import PROCEDURE_LIST, procedure_resource
from runs.caches import run_resource
from versioned_cache.keys import Resource, ResourceKind, kind_of, kinds, known_names, register, resource_named

# Labels of this project, so that no metric gets children that it does not have.
ONLY, MANY, OTHERS = "list", "procedure", "run"


@pytest.fixture
def no_kinds() -> Iterator[None]:
    """Nothing is registered."""
    with patch.dict(kinds, clear=True):
        yield


@pytest.mark.parametrize(
    ("resource", "counter_key", "payload_key"),
    [
        (PROCEDURE_LIST, "procedures:list:version", "procedures:list:v7"),
        (procedure_resource("gibson"), "procedures:procedure:gibson:version", "procedures:procedure:gibson:v7"),
        (run_resource("0193"), "procedures:run:0193:version", "procedures:run:0193:v7"),
    ],
)
def test_keys_are_spelled_as_the_owner_specified(resource: Resource, counter_key: str, payload_key: str) -> None:
    assert resource.counter_key == counter_key
    assert resource.payload_key(7) == payload_key


def test_the_key_of_a_claim_names_version_and_fingerprint() -> None:
    assert PROCEDURE_LIST.claim_key(7, "0123abcd") == "procedures:list:v7:fill:0123abcd"


@pytest.mark.parametrize("key", ["books:list", "books:book:{slug}", "Books.v2:a-b_c:{book_id}", "books"])
def test_what_is_a_key_makes_a_kind(key: str) -> None:
    assert ResourceKind("any", key).key == key


@pytest.mark.parametrize(
    "key", ["", "{slug}", "books:{slug}:x", "books:{a}{b}", "books:{}", "books:{Slug}", "bücher", "a b"]
)
def test_what_is_not_a_key_makes_no_kind(key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        ResourceKind("any", key)


def test_a_kind_with_identifiers_names_as_many_resources() -> None:
    book = ResourceKind("any", "books:book:{slug}")

    assert book.has_identifiers
    assert (book("dune").name, book("dune").identifier) == ("books:book:dune", "dune")
    assert book(7).identifier == "7"
    assert book("dune") == book("dune") != book("emma")


def test_a_kind_without_identifiers_names_one() -> None:
    book_list = ResourceKind("any", "books:list")

    assert not book_list.has_identifiers
    assert (book_list().name, book_list().identifier) == ("books:list", "")


@pytest.mark.parametrize(("key", "identifier"), [("books:book:{slug}", ""), ("books:list", "dune")])
def test_an_identifier_that_is_missing_or_one_too_many_is_refused(key: str, identifier: str) -> None:
    with pytest.raises(ValueError, match="identifies no resource"):
        ResourceKind("any", key)(identifier)


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("books:list", "books:list"),
        ("books:book:{slug}", "books:book:{id}"),
        ("books:book:{slug}", "books:{kind}"),
        ("books:book:{slug}", "books:book:x{id}"),
        ("books:{slug}", "books:list"),
    ],
)
def test_kinds_that_cannot_be_told_apart_are_refused(no_kinds: None, key: str, other: str) -> None:
    for first, second in ((key, other), (other, key)):
        with patch.dict(kinds):
            register(ResourceKind(ONLY, first))

            with pytest.raises(ValueError, match="cannot be told from"):
                register(ResourceKind(MANY, second))
            assert list(kinds) == [ONLY]


def test_two_kinds_of_one_label_are_refused(no_kinds: None) -> None:
    register(ResourceKind(ONLY, "books:list"))

    with pytest.raises(ValueError, match="cannot be told from"):
        register(ResourceKind(ONLY, "books:all"))


@pytest.mark.parametrize(
    ("key", "other"), [("books:list", "books:list2"), ("books", "books:{slug}"), ("books:a:{id}", "books:b:{id}")]
)
def test_kinds_that_can_be_told_apart_are_registered(no_kinds: None, key: str, other: str) -> None:
    registered = [register(ResourceKind(ONLY, key)), register(ResourceKind(MANY, other))]

    assert list(kinds.values()) == registered


def test_a_name_leads_to_its_resource(no_kinds: None) -> None:
    book_list = register(ResourceKind(ONLY, "books:list"))
    book = register(ResourceKind(MANY, "books:book:{slug}"))

    assert resource_named("books:list") == book_list()
    assert resource_named("books:book:dune:2") == book("dune:2")


def test_a_name_may_be_written_short(no_kinds: None) -> None:
    book_list = register(ResourceKind(ONLY, "books:list"))
    book = register(ResourceKind(MANY, "books:book:{slug}"))

    assert resource_named(ONLY) == book_list()
    assert resource_named(f"{MANY}:dune:2") == book("dune:2")


@pytest.mark.parametrize(
    "name", ["", "books", "books:list:", "books:book:", "books:book", MANY, f"{MANY}:", f"{ONLY}:", f"{ONLY}:x"]
)
def test_what_is_not_a_name_is_refused_with_a_list_of_names(no_kinds: None, name: str) -> None:
    register(ResourceKind(ONLY, "books:list"))
    register(ResourceKind(MANY, "books:book:{slug}"))

    assert kind_of(name) is None
    with pytest.raises(ValueError, match=r"is not a resource: write list or procedure:\{slug\}\.$"):
        resource_named(name)


def test_the_names_are_listed_for_people(no_kinds: None) -> None:
    told = [known_names()]
    for label, key in ((ONLY, "books:list"), (MANY, "books:book:{slug}"), (OTHERS, "shelves:list")):
        register(ResourceKind(label, key))
        told.append(known_names())

    assert told == [
        "",
        "list",
        "list or procedure:{slug}",
        "list, procedure:{slug} or run",
    ]
