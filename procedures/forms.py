"""The admin's forms for heads and drafts: they apply the API's rules and show errors next to the field."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from rest_framework.exceptions import ValidationError as DRFValidationError

from access.history import by_whom, newest_of
from procedures.models import Procedure, Revision
from procedures.serializers import ProcedureSerializer
from rest.fields import StrictCharField
from rest.findings import findings_of


def as_stored(text: str) -> str:
    """Return what was typed into a form: browsers send line breaks as CRLF (HTML, "form submission"); we store LF."""
    return text.replace("\r\n", "\n")


class TextWidget(AdminTextareaWidget):
    """A multi-line text. Saving a draft must not change the line breaks of its texts."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 6, **(attrs or {})})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        text = super().value_from_datadict(data, files, name)
        return as_stored(text) if isinstance(text, str) else text


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
        whose = by_whom(newest_of(self.instance, beginning=["Changed the tags"]))
        now = self._saved.replace(",", ", ") or "none"
        return f"Meanwhile these became: {now}{whose}. Nothing has been saved yet; saving now replaces them with yours."

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
