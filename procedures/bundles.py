"""Bundles: files that move procedures between installations."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

from rest_framework.exceptions import ValidationError

from procedures.definitions import Definition
from procedures.models import Procedure, step_members
from procedures.serializers import ProcedureSerializer, definition_of
from rest import exact_json
from rest.fields import StrictSerializer
from rest.findings import Finding, findings_of

MAX_BUNDLE_MIB = 16
MAX_BUNDLE_BYTES = MAX_BUNDLE_MIB * 1024 * 1024
HOW_TO_DIVIDE = "divide it by `export_procedures KEY…`, and import all files at once"


class BundleSerializer(StrictSerializer):
    """The content of a bundle file."""

    procedures = ProcedureSerializer(many=True, allow_empty=False)


class InvalidBundle(Exception):
    """A file is not a bundle; `findings` say where and why, and an empty pointer means the file as a whole."""

    def __init__(self, path: Path, findings: list[Finding]) -> None:
        super().__init__("\n".join(f"{path}: {finding.pointer or '(file)'}: {finding.detail}" for finding in findings))
        self.findings = findings


def read_bundle(path: Path) -> list[Definition]:
    """Return the definitions in a bundle file.

    Raises:
        InvalidBundle: the file cannot be read, is not exact JSON, or breaks a rule of definitions.
    """
    try:
        content = _read_object(path)
    except (OSError, UnicodeDecodeError, exact_json.NotExactJSON) as error:
        raise InvalidBundle(path, [Finding("", "unreadable", str(error))]) from None
    serializer = BundleSerializer(data=content)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise InvalidBundle(path, findings_of(error.detail)) from None
    return [definition_of(body) for body in serializer.validated_data["procedures"]]


def write_bundle(procedures: Iterable[Procedure]) -> Iterator[str]:
    """Yield a bundle of `procedures` piece by piece, each with its current revision; importing it changes nothing."""
    yield '{\n  "procedures": ['
    separator = "\n"
    for procedure in procedures:
        yield separator + indent(exact_json.dumps(_exported(procedure), indent=True).decode(), "    ")
        separator = ",\n"
    yield "]\n}\n" if separator == "\n" else "\n  ]\n}\n"


def _read_object(path: Path) -> exact_json.JSON:
    with path.open("rb") as file:
        text = file.read(MAX_BUNDLE_BYTES + 1)
    if len(text) > MAX_BUNDLE_BYTES:
        raise OSError(f"larger than {MAX_BUNDLE_MIB} MiB: {HOW_TO_DIVIDE}")
    return exact_json.loads(text.decode())


def _exported(procedure: Procedure) -> dict[str, Any]:
    revision = procedure.current_revision
    return {
        "key": procedure.key,
        "tags": procedure.tags,
        "title": revision.title,
        "description": revision.description,
        "ordering": revision.ordering,
        "change_note": revision.change_note,
        "steps": [step_members(step) for step in revision.steps.all()],
    }
