"""Importing and exporting procedures on the command line, and the sample data."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from procedures.management.commands import export_procedures
from procedures.models import Procedure, Revision
from procedures.slots import SlotType
from rest import exact_json, timestamps
from tests.factories import body, publish, slot, step
from versioned_cache import command_progress

pytestmark = pytest.mark.django_db

SAMPLES = sorted((settings.BASE_DIR / "procedures" / "sample_data").glob("*.json"))


def bundle(folder: Path, *definitions: dict[str, Any], name: str = "bundle") -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"procedures": definitions}))
    return path


def run_import(*paths: Path) -> str:
    output = StringIO()
    call_command("import_procedures", *paths, stdout=output)
    return output.getvalue()


def run_export(*keys: str) -> str:
    output = StringIO()
    call_command("export_procedures", *keys, stdout=output)
    return output.getvalue()


def test_import_publishes_every_procedure_of_every_file(tmp_path: Path) -> None:
    lab = bundle(tmp_path, body("gibson"), body("pcr"), name="lab")
    plant = bundle(tmp_path, body("lockout"), name="plant")

    printed = run_import(lab, plant)

    assert printed.splitlines() == [
        "gibson: revision 1 published",
        "pcr: revision 1 published",
        "lockout: revision 1 published",
    ]
    assert Procedure.objects.published().count() == 3


def test_importing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = bundle(tmp_path, body("gibson", tags=["lab"]))
    run_import(path)
    before = list(Procedure.objects.values())

    printed = run_import(path)

    assert printed == "gibson: revision 1 unchanged\n"
    assert list(Procedure.objects.values()) == before
    assert Revision.objects.count() == 1


def test_importing_other_content_publishes_the_next_revision(tmp_path: Path) -> None:
    run_import(bundle(tmp_path, body()))

    printed = run_import(bundle(tmp_path, body(title="Better")))

    assert printed == "gibson: revision 2 published\n"


def test_an_imported_revision_has_no_author(tmp_path: Path) -> None:
    run_import(bundle(tmp_path, body()))

    assert Revision.objects.get().created_by is None


def test_import_reports_what_is_wrong_in_all_files_and_changes_nothing(tmp_path: Path) -> None:
    right = bundle(tmp_path, body("right"), name="right")
    wrong = bundle(tmp_path, body("No"), body("b", steps=[step("a", skippable=1)]), name="wrong")
    missing = tmp_path / "missing.json"

    with pytest.raises(CommandError) as refusal:
        run_import(right, wrong, missing)

    lines = str(refusal.value).splitlines()
    assert lines[0] == "Nothing was imported."
    assert lines[1].startswith(f"{wrong}: /procedures/0/key: ")
    assert lines[2].startswith(f"{wrong}: /procedures/1/steps/0/skippable: ")
    assert lines[3].startswith(f"{missing}: (file): ")
    assert not Procedure.objects.exists()


def test_import_reports_an_unknown_role_with_its_place_and_changes_nothing(tmp_path: Path) -> None:
    path = bundle(tmp_path, body("right"), body("wrong", steps=[step("a"), step("b", role="wizard")]))

    with pytest.raises(CommandError) as refusal:
        run_import(path)

    assert str(refusal.value).splitlines() == [
        "Nothing was imported.",
        f"{path}: wrong: /steps/1/role: There is no group named 'wizard'.",
    ]
    assert not Procedure.objects.exists()


def test_import_reports_the_key_of_a_draft_and_changes_nothing(tmp_path: Path) -> None:
    now = timestamps.now()
    Procedure.objects.create(key="draft", created_at=now, updated_at=now)
    path = bundle(tmp_path, body("right"), body("draft"))

    with pytest.raises(CommandError, match="the key 'draft' belongs to an unpublished draft") as refusal:
        run_import(path)

    assert str(path) in str(refusal.value)
    assert not Procedure.objects.published().exists()


def test_import_requires_a_file() -> None:
    with pytest.raises(CommandError, match="FILE"):
        call_command("import_procedures")


def test_export_writes_the_active_procedures_by_key() -> None:
    for key in ("lockout", "gibson", "archived"):
        publish(body(key))
    Procedure.objects.filter(key="archived").update(status="archived")

    exported = json.loads(run_export())

    assert [procedure["key"] for procedure in exported["procedures"]] == ["gibson", "lockout"]


def test_export_of_given_keys_includes_archived_ones() -> None:
    for key in ("lockout", "gibson", "archived"):
        publish(body(key))
    Procedure.objects.filter(key="archived").update(status="archived")

    exported = json.loads(run_export("gibson", "archived"))

    assert [procedure["key"] for procedure in exported["procedures"]] == ["archived", "gibson"]


def test_export_and_import_take_procedures_in_batches_and_say_how_far_they_have_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_procedures, "BATCH", 2)
    monkeypatch.setattr(command_progress, "LINE_EVERY_SECONDS", 0.0)
    for key in ("a", "b", "c", "d", "e"):
        publish(body(key))
    written, said, path = StringIO(), StringIO(), tmp_path / "bundle.json"

    call_command("export_procedures", stdout=written, stderr=said)
    path.write_text(written.getvalue())
    call_command("import_procedures", path, stdout=StringIO(), stderr=said)

    assert [procedure["key"] for procedure in json.loads(written.getvalue())["procedures"]] == ["a", "b", "c", "d", "e"]
    exporting, importing = said.getvalue().splitlines()[:3], said.getvalue().splitlines()[3:]
    assert exporting == ["2 of 5 procedures", "4 of 5 procedures", "5 of 5 procedures"]
    assert importing == [f"{number} of 5 procedures" for number in range(1, 6)]


def test_export_says_that_a_bundle_is_too_large_to_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(body("gibson"))
    monkeypatch.setattr(export_procedures, "MAX_BUNDLE_BYTES", 100)
    written, said = StringIO(), StringIO()

    call_command("export_procedures", stdout=written, stderr=said)

    assert len(written.getvalue()) > 100
    assert "Files over 16 MiB cannot be imported: divide it by `export_procedures KEY…`" in said.getvalue()


def test_export_refuses_unknown_keys() -> None:
    publish(body())

    with pytest.raises(CommandError, match="No such procedure: a, b"):
        run_export("b", "gibson", "a")


def test_an_exported_bundle_is_imported_without_a_change(tmp_path: Path) -> None:
    slots = [slot("mass", "decimal", min=exact_json.loads("0.10"), max=exact_json.loads("12.500"))]
    publish(body(steps=[step(slots=slots)], tags=["lab"], description="Größe"))
    exported = run_export()
    path = tmp_path / "exported.json"
    path.write_text(exported)

    printed = run_import(path)

    assert printed == "gibson: revision 1 unchanged\n"
    assert run_export() == exported


def test_there_are_seven_samples() -> None:
    assert len(SAMPLES) == 7


def test_the_samples_are_imported_and_exported_without_a_change(tmp_path: Path) -> None:
    run_import(*SAMPLES)
    exported = run_export()
    path = tmp_path / "exported.json"
    path.write_text(exported)

    printed = run_import(path)

    assert Procedure.objects.published().count() == 7
    assert {line.rsplit(" ", 1)[1] for line in printed.splitlines()} == {"unchanged"}
    assert run_export() == exported


def test_the_samples_use_every_type_of_slot_and_no_role_but_supervisor() -> None:
    run_import(*SAMPLES)

    steps = [stored for p in Procedure.objects.with_steps() for stored in p.current_revision.steps.all()]
    assert {a_slot["type"] for stored in steps for a_slot in stored.slots} == set(SlotType)
    assert {stored.role for stored in steps} <= {None, "supervisor"}
