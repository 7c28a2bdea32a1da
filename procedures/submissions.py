"""What an author submits, in a request or as a draft."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from procedures.definitions import Definition
from procedures.models import Revision, content_of
from procedures.serializers import ProcedureSerializer, definition_of
from rest.findings import Finding, findings_of
from rest.problems import validation_failed


@dataclass(frozen=True, slots=True)
class Submission:
    """A procedure as its author writes it, before it is known to be valid.

    It is checked only when an action asks for the definition. The check can be costly, so people without the right
    to write are refused first.
    """

    body: Mapping[str, Any]

    def definition(self, key: str | None = None) -> Definition:
        """Return the definition; if `key` is given, that of the procedure with this key.

        Raises:
            VALIDATION_FAILED: the body breaks rules; every finding is listed.
        """
        serializer = ProcedureSerializer(data=self.body if key is None else {"key": key, **self.body})
        if not serializer.is_valid():
            raise validation_failed(findings_of(serializer.errors))
        definition = definition_of(serializer.validated_data)
        if key is not None and key != definition.key:
            raise validation_failed([Finding("/key", "immutable", f"The key {key!r} cannot be changed.")])
        return definition


def submission_of(draft: Revision) -> Submission:
    """Return a draft as if its author had just submitted it."""
    return Submission(asdict(content_of(draft)))
