"""Fields written without templates look as Django's templates make them, to the byte."""

from typing import Any

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates

from procedures.form_renderer import FieldRenderer

NASTY = '<b>"it\'s" & &amp;\n'


class EveryField(forms.Form):
    """A field with each of the widgets that a draft has."""

    text = forms.CharField(max_length=60, label=NASTY, help_text="Markdown.")
    number = forms.IntegerField(min_value=1)
    long = forms.CharField(widget=forms.Textarea({"data-nasty": NASTY}), required=False)
    ticked = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=[("", "anybody"), (NASTY, NASTY), ("x", "X")])
    hidden = forms.CharField(widget=forms.HiddenInput, disabled=True)
    exotic = forms.DateField(widget=forms.SelectDateWidget, required=False)

    def clean(self) -> None:
        self.add_error(None, NASTY)


def pieces(data: dict[str, Any] | None, **options: Any) -> list[str]:
    """Return the HTML of each field, of its label and of its errors, and of those of the form."""
    form = EveryField(data, initial={"text": NASTY, "ticked": True, "kind": NASTY, "hidden": 1}, **options)
    fields = [piece for field in form for piece in (str(field), field.label_tag(), field.errors.as_ul())]
    return [*map(str, fields), str(form.non_field_errors())]


@pytest.mark.parametrize("auto_id", ["id_%s", ""])
@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"text": NASTY, "number": "0", "long": NASTY, "ticked": "on", "kind": "x"},
        {"text": NASTY * 60, "number": NASTY, "long": "", "kind": NASTY},
    ],
)
def test_fields_are_written_as_by_templates(data: dict[str, Any] | None, auto_id: str) -> None:
    written = pieces(data, auto_id=auto_id, renderer=FieldRenderer())

    assert written == pieces(data, auto_id=auto_id, renderer=DjangoTemplates())
