"""The declaration of a cached read: one a kind, and what it does where there is no such thing."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.http import Http404

from procedures.caches import read_procedure
from tests import factories
from versioned_cache.keys import ResourceKind, kinds, register
from versioned_cache.reads import CachedRead, declare, declared_reads

LABEL = "list"  # of this project, so that no metric gets children that it does not have
FINGERPRINT = "0123abcd"


class NoSuchBook(Exception):
    """There is no such book."""


@pytest.fixture(autouse=True)
def _nothing_is_declared() -> Iterator[None]:
    with patch.dict(kinds, clear=True), patch.dict(declared_reads, clear=True):
        yield


def body_of_book(slug: str) -> bytes | None:
    """Return the body of the one book there is."""
    return b'"Dune"' if slug == "dune" else None


def test_a_declared_read_is_known_by_its_kind() -> None:
    read = CachedRead(register(ResourceKind(LABEL, "books:list")), lambda: b"[]", FINGERPRINT)

    assert declare(read) is read
    assert declared_reads == {LABEL: read}


def test_a_second_read_of_a_kind_is_refused() -> None:
    kind = register(ResourceKind(LABEL, "books:list"))
    first = declare(CachedRead(kind, lambda: b"[]", FINGERPRINT))

    with pytest.raises(ValueError, match="has a cached read already"):
        declare(CachedRead(kind, lambda: b"{}", FINGERPRINT))
    assert declared_reads == {LABEL: first}


def test_a_read_of_an_unregistered_kind_is_refused() -> None:
    register(ResourceKind(LABEL, "books:list"))
    namesake = ResourceKind(LABEL, "books:all")

    with pytest.raises(ValueError, match="is not registered"):
        declare(CachedRead(namesake, lambda: b"[]", FINGERPRINT))


@pytest.mark.django_db(transaction=True)
def test_a_read_builds_what_its_path_names(redis: object) -> None:
    read = CachedRead(register(ResourceKind(LABEL, "books:book:{slug}")), body_of_book, FINGERPRINT)

    found = read(slug="dune")

    assert (found.resource.name, found.fingerprint, found.body) == ("books:book:dune", FINGERPRINT, b'"Dune"')


@pytest.mark.django_db(transaction=True)
def test_a_read_of_the_only_one_of_its_kind_takes_no_path(redis: object) -> None:
    read = CachedRead(register(ResourceKind(LABEL, "books:list")), lambda: b"[]", FINGERPRINT)

    assert read().body == b"[]"
    with pytest.raises(ValueError, match="identifies no resource"):
        read(slug="dune")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("options", "expected"), [({}, Http404), ({"not_found": NoSuchBook}, NoSuchBook)])
def test_what_does_not_exist_is_reported_as_the_project_wants(
    redis: object, options: dict[str, type[Exception]], expected: type[Exception]
) -> None:
    kind = register(ResourceKind(LABEL, "books:book:{slug}"))

    with pytest.raises(expected):
        CachedRead(kind, body_of_book, FINGERPRINT, **options)(slug="emma")


def test_the_body_of_a_resource_is_built_past_the_cache() -> None:
    kind = register(ResourceKind(LABEL, "books:book:{slug}"))
    read = CachedRead(kind, body_of_book, FINGERPRINT)

    assert read.body_of(kind("dune")) == b'"Dune"'
    assert read.body_of(kind("emma")) is None


@pytest.mark.django_db(transaction=True)
def test_whoever_knows_the_version_is_given_no_body(redis: object) -> None:
    factories.publish(factories.body("gibson"))
    version = read_procedure(key="gibson").version or 0

    answer = read_procedure(frozenset({version}), key="gibson")

    assert (answer.version, answer.body) == (version, None)
