"""A finding: one thing that is wrong in a body, and where. A check returns all findings, not just the first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WHOLE_OBJECT = "non_field_errors"  # REST framework's name for the object itself


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        pointer: Where it is: a JSON pointer into the body (RFC 6901).
        code: What is wrong, as a word that programs branch on.
        detail: What is wrong, as a sentence for people.
    """

    pointer: str
    code: str
    detail: str


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of the member or index path `parts`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def findings_of(errors: object, *path: str | int) -> list[Finding]:
    """Flatten the nested errors of a REST framework serializer into findings."""
    if isinstance(errors, Mapping):
        return _flatten(errors.items(), path)
    if isinstance(errors, str):
        return [Finding(pointer(*path), getattr(errors, "code", "invalid"), str(errors))]
    if isinstance(errors, Sequence):
        if all(isinstance(error, str) for error in errors):
            return _flatten(((None, error) for error in errors), path)
        return _flatten(enumerate(errors), path)
    raise TypeError(f"Not serializer errors: {errors!r}")


def _flatten(members: Iterable[tuple[str | int | None, object]], path: tuple[str | int, ...]) -> list[Finding]:
    """Flatten each member under its name; one without a name, or about the whole object, belongs to `path` itself."""
    return [finding for name, errors in members for finding in findings_of(errors, *path, *_place(name, errors))]


def _place(name: str | int | None, errors: object) -> tuple[str | int, ...]:
    # A body may also have a member with that name. No serializer declares it, so its error has the code `unknown`.
    is_about_whole = name == WHOLE_OBJECT and not _is_unknown(errors)
    return () if name is None or is_about_whole else (name,)


def _is_unknown(errors: object) -> bool:
    return isinstance(errors, list) and [getattr(error, "code", None) for error in errors] == ["unknown"]
