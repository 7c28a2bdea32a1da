"""What keeps a draft from being published, said on its page: in one list, and at each field that it is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.forms import BaseForm
from django.forms.utils import ErrorDict, ErrorList

from procedures.drafts import findings_about
from procedures.models import Revision, Step


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One finding, with the row of its step (None: the draft itself) and the name of its field ("": all of it)."""

    row: int | None
    field: str
    place: str
    detail: str

    @property
    def anchor(self) -> str:
        """The id of the field on the page."""
        if not self.field:
            return "steps-group" if self.row is None else f"steps-{self.row}"
        return f"id_{self.field}" if self.row is None else f"id_steps-{self.row}-{self.field}"


def obstacles_of(draft: Revision) -> list[Obstacle]:
    """Return what keeps the saved draft from being published."""
    steps = list(draft.steps.all())
    return [_obstacle(finding["pointer"].split("/")[1:], finding["detail"], steps) for finding in findings_about(draft)]


def mark(form: BaseForm, obstacles: Sequence[Obstacle]) -> None:
    """Show the obstacles at the fields of a form that nobody has sent yet."""
    errors = ErrorDict()
    for obstacle in obstacles:
        name = obstacle.field if obstacle.field in form.fields else "__all__"
        errors.setdefault(name, ErrorList(error_class="nonfield" if name == "__all__" else None)).append(
            obstacle.detail
        )
    # What Django shows; it offers no other way into a form without data.
    form._errors = errors  # type: ignore[attr-defined]


def _obstacle(path: Sequence[str], detail: str, steps: Sequence[Step]) -> Obstacle:
    if path[:1] != ["steps"]:
        return Obstacle(None, path[0] if path else "", ", ".join(path).capitalize() or "The draft", detail)
    if len(path) == 1 or not path[1].isdecimal():
        return Obstacle(None, "", "Steps", detail)
    row, members = int(path[1]), [int(name) + 1 if name.isdecimal() else name for name in path[2:]]
    place = ", ".join(map(str, [f"Step {row + 1} ({steps[row].key})", *members]))
    return Obstacle(row, path[2] if len(path) > 2 else "", place, detail)
