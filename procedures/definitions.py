"""What an author defines: the content of a revision, and the procedure's tags."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rest import exact_json

STEP_MEMBERS = (
    "key", "title", "instructions", "caution", "role", "skippable", "expected_duration_s", "slots", "checklist",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """A procedure as its author writes it."""

    key: str
    tags: list[str]
    title: str
    description: str
    ordering: str
    change_note: str
    steps: Sequence[Mapping[str, Any]]

    @property
    def content_sha256(self) -> str:
        """The digest of the content that a revision freezes, which excludes the key, the tags and the change note."""
        content = {
            "title": self.title,
            "description": self.description,
            "ordering": self.ordering,
            "steps": [{name: step[name] for name in STEP_MEMBERS} for step in self.steps],
        }
        return hashlib.sha256(exact_json.dumps(content, sort_keys=True)).hexdigest()
