"""Two people have the form of one person or one group open: whoever saves second is told what the first has changed.

Without that, the second would undo the first unknowingly, such as give a role back that was just taken away.
"""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPMethod
from typing import Any, TypeVar, cast

from django import forms
from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, QueryDict

from access.history import by_whom, newest_of
from rest import exact_json
from rest.parameters import number_in
from rest.timestamps import to_people

BASE = "base"
NOT_COMPARED = frozenset({"password", "last_login"})  # the form does not change the one; a login changes the other

Edited = TypeVar("Edited", bound=Model)


class OpenedOnForm(forms.ModelForm[Any]):
    """A form that carries what it was opened on. One that carries nothing was not sent by a page of ours."""

    base = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._saved = _texts_of(self.instance, self.fields)
        self.initial[BASE] = exact_json.dumps(self._saved, sort_keys=True).decode()

    def clean(self) -> Any:
        cleaned = super().clean()
        opened = self.data.get(BASE)
        if opened and opened != self.initial[BASE]:
            self.data = shown = cast(QueryDict, self.data).copy()
            shown[BASE] = self.initial[BASE]
            raise ValidationError(self._told(opened), code="conflict")
        return cleaned

    def _told(self, opened: str) -> str:
        """Return who has changed what meanwhile, and to what."""
        before = _read(opened)
        changed = [name for name, text in self._saved.items() if before.get(name) != text]
        now = "; ".join(f"{self.fields[name].label}: {self._saved[name] or 'none'}" for name in changed)
        consequence = "Nothing has been saved yet; saving now puts what you see below in its place."
        return f"Meanwhile this became{by_whom(newest_of(self.instance))}: {now}. {consequence}"


class OpenedOnAdmin(ModelAdmin[Edited]):
    """Shows forms that carry what they were opened on, and saves one of them after the other."""

    def get_fieldsets(self, request: HttpRequest, obj: Edited | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        (title, options), *others = fieldsets
        return [(title, {**options, "fields": [*options["fields"], BASE]}), *others]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Edited | None:
        if request.method == HTTPMethod.POST and (pk := number_in(object_id)) is not None:
            self.model._default_manager.select_for_update(no_key=True).filter(pk=pk).first()
        return super().get_object(request, object_id, from_field)


def _texts_of(instance: Model, names: Iterable[str]) -> dict[str, str]:
    """Return what is saved, as texts to show."""
    if instance.pk is None:
        return {}
    saved = forms.model_to_dict(instance, [name for name in names if name not in NOT_COMPARED])
    return {name: _text_of(value) for name, value in saved.items()}


def _text_of(value: Any) -> str:
    if isinstance(value, datetime):
        return to_people(value)  # the form has no fractions, and saves none
    return ", ".join(sorted(map(str, value))) if isinstance(value, list) else str(value)


def _read(opened: str) -> dict[str, Any]:
    try:
        read = exact_json.loads(opened)
    except exact_json.NotExactJSON:
        return {}
    return read if isinstance(read, dict) else {}
