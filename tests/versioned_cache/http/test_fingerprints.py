"""Fingerprints follow the shape and the source of what writes a body."""

from pathlib import Path
from types import ModuleType

import pytest
from rest_framework import serializers

from versioned_cache.http import fingerprints
from versioned_cache.http.fingerprints import fingerprint_of


class Shape(serializers.Serializer[object]):
    """A shape."""

    name = serializers.CharField()


class WiderShape(Shape):
    """A shape with a field more."""

    number = serializers.IntegerField()


@pytest.fixture
def writer(tmp_path: Path) -> ModuleType:
    """A module that writes bodies."""
    module = ModuleType("writer")
    module.__file__ = str(tmp_path / "writer.py")
    Path(module.__file__).write_text("INSTANT = 'MS'")
    return module


def test_it_has_the_form_that_entity_tags_hold() -> None:
    assert len(fingerprint_of(Shape)) == 8
    assert int(fingerprint_of(Shape), 16) >= 0


def test_it_changes_with_the_shape() -> None:
    assert fingerprint_of(Shape) == fingerprint_of(Shape) != fingerprint_of(WiderShape)


def test_it_changes_with_the_source_of_a_writer(writer: ModuleType) -> None:
    before = fingerprint_of(Shape, writer)
    assert fingerprint_of(Shape, writer) == before != fingerprint_of(Shape)

    Path(writer.__file__ or "").write_text("INSTANT = 'US'")

    assert fingerprint_of(Shape, writer) != before


def test_it_changes_with_the_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint_of(Shape)
    monkeypatch.setattr(fingerprints, "RENDERING", "another")

    assert fingerprint_of(Shape) != before
