"""The admin's forms for the steps of a draft: they apply the API's rules and show errors next to the field."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from rest_framework.exceptions import ValidationError as DRFValidationError
from rest_framework.serializers import ListSerializer

from access.history import newest_of
from procedures.models import Procedure, Revision, Step
from procedures.serializers import ChecklistItemSerializer, ProcedureSerializer, SlotSerializer
from rest import exact_json
from rest.fields import StrictCharField
from rest.findings import findings_of


class TextWidget(AdminTextareaWidget):
    """A multi-line text. Browsers send CRLF (HTML, "form submission"); we store LF.

    Otherwise saving a draft would change its texts.
    """

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 6, **(attrs or {})})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        text = super().value_from_datadict(data, files, name)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class MembersField(forms.JSONField):
    """A JSON array, read as strictly as a request body and shown with one item per line."""

    def __init__(self, **options: Any) -> None:
        # Whether it has changed is asked of what is saved, not of what the form says that it was.
        super().__init__(**{**options, "show_hidden_initial": False})

    def to_python(self, value: Any) -> Any:
        try:
            if isinstance(value, str) and value.strip():
                return exact_json.loads(value)
        except exact_json.NotExactJSON as error:
            raise ValidationError(str(error)) from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show exactly what was sent."""
        return initial if self.disabled or data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if not value or not isinstance(value, list):
            return super().prepare_value(value)
        lines = ",\n".join(exact_json.dumps(member).decode() for member in value)
        return f"[\n{lines}\n]"


class ProcedureForm(forms.ModelForm[Procedure]):
    """The head of a procedure. It carries the tags that it was opened on, so as not to undo what others change."""

    base = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._saved = ",".join(self.instance.tags)
        self.initial["base"] = self._saved

    class Meta:
        model = Procedure
        fields = ["key", "tags"]

    def clean(self) -> None:
        super().clean()
        if self.instance.pk is not None and self.cleaned_data.get("base") != self._saved:
            self.data = {**self.data.dict(), "base": self._saved}  # type: ignore[attr-defined]  # a QueryDict
            raise ValidationError({"tags": self._told()})

    def _told(self) -> str:
        entry = newest_of(self.instance, beginning=["Changed the tags"])
        whose = f" ({entry.user} at {entry.action_time:%Y-%m-%d %H:%M:%S} UTC)" if entry else ""
        now = self._saved.replace(",", ", ") or "none"
        return (
            f"Meanwhile these became: {now}{whose}. Nothing has been saved yet; saving now puts yours in their place."
        )

    def clean_tags(self) -> list[str]:
        field = ProcedureSerializer().fields["tags"]
        try:
            return ProcedureSerializer().validate_tags(field.run_validation(self.cleaned_data["tags"]))
        except DRFValidationError as error:
            raise ValidationError([finding.detail for finding in findings_of(error.detail)]) from None


class ReasonForm(forms.Form):
    """Why somebody does what the history will tell."""

    reason = forms.CharField(widget=TextWidget({"rows": 3}), max_length=500, help_text="Kept in the history.")

    def clean_reason(self) -> str:
        try:
            return str(StrictCharField(max_length=500).run_validation(self.cleaned_data["reason"]))
        except DRFValidationError as error:
            raise ValidationError([finding.detail for finding in findings_of(error.detail)]) from None


class RevisionForm(forms.ModelForm[Revision]):
    """The members of a draft, apart from its steps.

    Attributes:
        conflict: What somebody else has saved since the form was opened, set for one request.
    """

    conflict: Any = None

    class Meta:
        model = Revision
        fields = ["title", "description", "ordering", "change_note"]

    def clean(self) -> None:
        super().clean()
        if self.conflict is not None:
            self.add_error(None, "Nothing has been saved yet. Look at the marked fields, and save again.")
            for name, finding in self.conflict.findings(None).items():
                self.add_error(name, finding)


class StepForm(forms.ModelForm[Step]):
    """One step of a draft."""

    class Meta:
        model = Step
        fields = [
            "position", "key", "title", "instructions", "caution", "role", "skippable", "expected_duration_s",
            "slots", "checklist",
        ]  # fmt: skip
        widgets = {name: forms.Textarea(attrs={"rows": 6, "cols": 100}) for name in ("slots", "checklist")}
        field_classes = dict.fromkeys(("slots", "checklist"), MembersField)

    def __init__(self, *args: Any, context: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context = {} if context is None else context

    def clean_slots(self) -> list[Any]:
        return _clean_members(self.cleaned_data["slots"], SlotSerializer, self.context)

    def clean_checklist(self) -> list[Any]:
        return _clean_members(self.cleaned_data["checklist"], ChecklistItemSerializer, self.context)

    def clean_caution(self) -> str | None:
        return self.cleaned_data["caution"] or None

    def clean_role(self) -> str | None:
        return self.cleaned_data["role"] or None

    def validate_constraints(self) -> None:
        """Leave uniqueness to the formset: two steps that swap positions would each seem to collide."""


class StepFormSet(forms.BaseInlineFormSet[Step, Revision, forms.ModelForm[Step]]):
    """The steps of a draft, together. What bounds a whole body bounds all of them.

    Attributes:
        conflict: As in `RevisionForm`.
    """

    conflict: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.form_kwargs |= {"context": {}}

    def clean(self) -> None:
        super().clean()
        self._tell_conflict()
        steps = [form.cleaned_data for form in self.forms if form.is_valid() and form not in self.deleted_forms]
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
    members: object, serializer_class: type[SlotSerializer | ChecklistItemSerializer], context: dict[str, Any]
) -> list[Any]:
    serializer: ListSerializer[Any] = serializer_class(data=members or [], many=True, context=context)  # type: ignore[assignment]
    if not serializer.is_valid():
        raise ValidationError([f"{finding.pointer}: {finding.detail}" for finding in findings_of(serializer.errors)])
    return serializer.validated_data  # type: ignore[no-any-return]
