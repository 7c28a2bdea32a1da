"""The admin's forms for the steps of a draft: they apply the API's rules and say in its words what is wrong, where."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.forms.formsets import DELETION_FIELD_NAME
from django.urls import reverse_lazy
from django.utils.functional import cached_property
from rest_framework.exceptions import ValidationError as DRFValidationError
from rest_framework.serializers import ListSerializer

from procedures.form_renderer import FieldRenderer
from procedures.models import Revision, Step
from procedures.serializers import EXTRA_MEMBERS, ChecklistItemSerializer, SlotSerializer
from procedures.slots import SlotType
from rest import exact_json
from rest.findings import Finding, findings_of

TRY_PATTERN = "admin:procedures_try_pattern"
PREVIEW_INSTRUCTIONS = "admin:procedures_preview_instructions"
MEMBER_ORDER = ["unit", "min", "max", "decimals", "out_of_range", "options", "pattern", "min_length", "max_length"]
SHOWN_CHARACTERS = 80  # of a line that cannot be read


SLOT_RULES = {
    "types": {slot_type: sorted(EXTRA_MEMBERS.get(slot_type, ()), key=MEMBER_ORDER.index) for slot_type in SlotType},
    "choices": {"out_of_range": ["reject", "deviation"]},
    "words": {
        "": "is refused by default",
        "reject": "is refused",
        "deviation": "is a deviation, with a reason",
    },
}


class MembersWidget(forms.Textarea):
    """JSON as text, which members.js shows as rows of fields: `rules` says which fields each type has."""

    def __init__(self, what: str, rules: dict[str, Any]) -> None:
        data = {"data-what": what, "data-rules": json.dumps(rules), "data-try-url": reverse_lazy(TRY_PATTERN)}
        super().__init__({"rows": 6, "cols": 100, **data})


class MembersField(forms.JSONField):
    """A JSON array, read as strictly as a request body and shown with one item per line."""

    def __init__(self, **options: Any) -> None:
        # Whether it has changed is judged by what is saved, not by what the form says was there.
        super().__init__(**{**options, "show_hidden_initial": False})

    def to_python(self, value: Any) -> Any:
        try:
            if isinstance(value, str) and value.strip():
                return exact_json.loads(value)
        except exact_json.NotExactJSON as error:
            raise ValidationError(f"This cannot be read: {error} {_line_of(value, str(error))}") from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show exactly what was sent."""
        return initial if self.disabled or data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if not value or not isinstance(value, list):
            return super().prepare_value(value)
        lines = ",\n".join(exact_json.dumps(member).decode() for member in value)
        return f"[\n{lines}\n]"


class StepForm(forms.ModelForm[Step]):
    """One step of a draft. There may be hundreds on a page."""

    default_renderer = FieldRenderer()
    media = forms.Media()  # no widget has any, and Django would ask every widget of every step

    class Meta:
        model = Step
        fields = [
            "position", "key", "title", "instructions", "caution", "role", "skippable", "expected_duration_s",
            "slots", "checklist",
        ]  # fmt: skip
        labels = {"expected_duration_s": "Expected duration (s)"}
        widgets = {"slots": MembersWidget("slot", SLOT_RULES), "checklist": MembersWidget("item", {})}
        field_classes = dict.fromkeys(("slots", "checklist"), MembersField)

    def __init__(self, *args: Any, context: dict[Any, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context = {} if context is None else context
        self.fields["role"].widget = forms.Select(choices=self._roles())
        self.fields["instructions"].widget.attrs["data-preview-url"] = reverse_lazy(PREVIEW_INSTRUCTIONS)

    def _roles(self) -> list[tuple[str, str]]:
        """Return the groups to choose from, and whatever is there now; publishing refuses what is not a group."""
        if "roles" not in self.context:  # asked once for all steps
            self.context["roles"] = list(Group.objects.order_by("name").values_list("name", flat=True))
        roles = self.context["roles"]
        present = self.data.get(self.add_prefix("role")) if self.is_bound else self.initial.get("role")
        other = [(present, f"{present} (there is no such group)")] if present and present not in roles else []
        return [("", "anybody"), *((role, role) for role in roles), *other]

    def clean_slots(self) -> list[Any]:
        return _clean_members("Slot", self.cleaned_data["slots"], SlotSerializer, self.context)

    def clean_checklist(self) -> list[Any]:
        return _clean_members("Item", self.cleaned_data["checklist"], ChecklistItemSerializer, self.context)

    def clean_caution(self) -> str | None:
        return self.cleaned_data["caution"] or None

    def clean_role(self) -> str | None:
        return self.cleaned_data["role"] or None

    def validate_constraints(self) -> None:
        """Leave uniqueness to the formset: two steps that swap positions would each seem to collide."""


class SavedStepField(forms.Field):
    """The saved step that a form is about, found among those that the formset has read; Django would query each one."""

    widget = forms.HiddenInput

    def __init__(self, steps: Mapping[str, Step], initial: int | None) -> None:
        super().__init__(required=False, initial=initial)
        self._steps = steps

    def to_python(self, value: Any) -> Step | None:
        if value in self.empty_values:
            return None
        try:
            return self._steps[value]
        except KeyError:
            raise ValidationError("There is no such step in this draft.", code="invalid_choice") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class StepFormSet(forms.BaseInlineFormSet[Step, Revision, forms.ModelForm[Step]]):
    """The steps of a draft, together. What bounds a whole body bounds all of them.

    Attributes:
        conflict: As in `RevisionForm`.
    """

    conflict: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.form_kwargs |= {"context": {}}

    def add_fields(self, form: forms.ModelForm[Step], index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["id"] = SavedStepField(self._saved_steps, form.fields["id"].initial)

    @cached_property
    def _saved_steps(self) -> dict[str, Step]:
        return {str(step.pk): step for step in self.get_queryset()}

    def clean(self) -> None:
        super().clean()
        self._tell_conflict()
        staying = (form for form in self.forms if not form.cleaned_data.get(DELETION_FIELD_NAME))
        steps = [form.cleaned_data for form in staying if form.is_valid()]
        for name in ("position", "key"):
            values = [step[name] for step in steps if name in step]
            if len(set(values)) < len(values):
                raise ValidationError(f"Two steps have the same {name}.")

    def _tell_conflict(self) -> None:
        if self.conflict is None:
            return
        for row, form in enumerate(self.forms):
            if row in self.conflict.merge.deleted:
                form.add_error(None, "Meanwhile this step was deleted. Saving now adds it again, with what you typed.")
            for name, finding in self.conflict.findings(row).items():
                form.add_error(name, finding)

    def validate_unique(self) -> None:
        """Leave uniqueness to `clean`, for the same reason."""


def _clean_members(
    what: str,
    members: object,
    serializer_class: type[SlotSerializer | ChecklistItemSerializer],
    context: dict[Any, Any],
) -> list[Any]:
    if serializer_class not in context:  # made once for all steps
        context[serializer_class] = serializer_class(many=True, context=context)
    serializer: ListSerializer[Any] = context[serializer_class]
    try:
        return serializer.run_validation([] if members is None else members)  # type: ignore[no-any-return]
    except DRFValidationError as error:
        raise ValidationError([_told(what, members, finding) for finding in findings_of(error.detail)]) from None


def _told(what: str, members: object, finding: Finding) -> str:
    """Return a finding with its place as people say it: `Slot 2 (mass), max: …`."""
    _, index, *path = [*finding.pointer.split("/"), ""] if finding.pointer else ["", ""]
    if not index.isdecimal():
        return finding.detail
    member = members[int(index)] if isinstance(members, Sequence) else None
    key = member.get("key") if isinstance(member, dict) else None
    name = f" ({key})" if isinstance(key, str) and key else ""
    place = ", ".join([f"{what} {int(index) + 1}{name}", *filter(None, path)])
    return f"{place}: {finding.detail}"


def _line_of(text: str, message: str) -> str:
    """Return the line that a message of the JSON reader is about, if it names one."""
    found = re.search(r"at line (\d+)", message)
    if found is None:
        return ""
    line = text.splitlines()[int(found[1]) - 1 : int(found[1])]
    return f"That line is: {line[0].strip()[:SHOWN_CHARACTERS]}" if line else ""
