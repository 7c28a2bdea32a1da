"""Bundle files: what is read, what is refused and where, and that exporting and importing loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from procedures.bundles import MAX_BUNDLE_BYTES, InvalidBundle, read_bundle, write_bundle
from procedures.models import Procedure
from rest import exact_json
from tests.factories import body, item, publish, slot, step


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bundle.json"


def refusal(path: Path, content: str | bytes) -> InvalidBundle:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidBundle) as refused:
        read_bundle(path)
    return refused.value


def test_a_bundle_is_read_in_its_order(path: Path) -> None:
    path.write_text(json.dumps({"procedures": [body("lockout", tags=["plant"]), body("gibson")]}))

    definitions = read_bundle(path)

    assert [definition.key for definition in definitions] == ["lockout", "gibson"]
    assert definitions[0].tags == ["plant"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "line 1"),
        ("", "line 1"),
        ('{"procedures": [], "procedures": []}', "appears more than once"),
        ('{"procedures": NaN}', "NaN is not JSON"),
        (b'{"a": "\xff"}', "utf-8"),
        ("\ufeff{}", "BOM"),
        ("[" * 100_000, "deeper than 32"),
        ("[]", "Invalid data"),
        ("null", ""),
    ],
)
def test_a_file_that_is_not_a_json_object_is_refused_as_a_whole(path: Path, content: str, complaint: str) -> None:
    error = refusal(path, content)

    assert str(error).startswith(f"{path}: (file): ")
    assert complaint in str(error)


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(InvalidBundle, match="No such file"):
        read_bundle(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="Is a directory"):
        read_bundle(tmp_path)


def test_a_file_beyond_the_limit_is_refused(path: Path) -> None:
    error = refusal(path, b" " * (MAX_BUNDLE_BYTES + 1))

    assert "larger than 16 MiB: divide it by `export_procedures KEY…`" in str(error)


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        ({}, "/procedures", "required"),
        ({"procedures": []}, "/procedures", "empty"),
        ({"procedures": {}}, "/procedures", "not_a_list"),
        ({"procedures": [body()], "format": 2}, "/format", "unknown"),
        ({"procedures": [body(), body("No")]}, "/procedures/1/key", "slug"),
        ({"procedures": [body(steps=[step(), step("b", skippable=1)])]}, "/procedures/0/steps/1/skippable", "type"),
    ],
)
def test_a_broken_rule_is_reported_with_file_and_place(path: Path, content: Any, pointer: str, code: str) -> None:
    error = refusal(path, json.dumps(content))

    assert [(finding.pointer, finding.code) for finding in error.findings] == [(pointer, code)]
    assert str(error).startswith(f"{path}: {pointer}: ")


def test_every_broken_rule_of_a_file_is_reported(path: Path) -> None:
    error = refusal(path, json.dumps({"procedures": [body("No"), body(titel="x")]}))

    assert len(str(error).splitlines()) == 2


@pytest.mark.django_db
def test_what_is_written_is_read_back_as_the_same_content(path: Path) -> None:
    slots = [slot("mass", "decimal", min=0, max=5, decimals=3), slot("lot", "text", pattern="\\w+")]
    publish(
        body(
            steps=[step(slots=slots, checklist=[item("on_ice")], caution="Hot.", role=None, expected_duration_s=60)],
            tags=["lab"],
            description="Größe 🧪",
            ordering="any",
            change_note="Why.",
        )
    )
    procedures = list(Procedure.objects.with_steps())

    path.write_text("".join(write_bundle(procedures)))

    (definition,) = read_bundle(path)
    assert definition.content_sha256 == procedures[0].current_revision.content_sha256
    assert (definition.tags, definition.change_note) == (["lab"], "Why.")


@pytest.mark.django_db
def test_a_bundle_is_written_for_people_too() -> None:
    publish(body(title="Größe"))

    text = "".join(write_bundle(Procedure.objects.with_steps()))

    assert text.endswith("}\n")
    assert '\n      "title": "Größe",\n' in text


@pytest.mark.django_db
@pytest.mark.parametrize("keys", [[], ["gibson"], ["gibson", "lockout"]])
def test_a_bundle_in_pieces_is_the_same_as_one_written_at_once(keys: list[str]) -> None:
    procedures = [publish(body(key, description="Two\nlines, one \u2028 and “quotes”")) for key in keys]

    text = "".join(write_bundle(procedures))

    assert text == exact_json.dumps(json.loads(text), indent=True).decode() + "\n"
    assert [procedure["key"] for procedure in json.loads(text)["procedures"]] == keys
