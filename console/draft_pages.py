"""A draft as operators will see it once it is published: its steps with their forms, and what is wrong with them.

It shows what a form of the admin has, saved or not: a draft may break rules, and so may what somebody has just typed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from console.step_forms import Input, StepForm, blank_form
from procedures.draft_edits import DraftTexts, StepTexts
from procedures.serializers import StepSerializer
from procedures.step_forms import StepForm as AuthorsStepForm


@dataclass(frozen=True, slots=True)
class StepPreview:
    """A step of a draft.

    Attributes:
        number: Its place.
        definition: The step as the API would serve it; what is wrong is left out.
        form: What an operator will fill in.
        findings: What is wrong with it, in words.
    """

    number: int
    definition: Mapping[str, Any]
    form: StepForm
    findings: Sequence[str]


@dataclass(frozen=True, slots=True)
class DraftPreview:
    """A draft, with the texts of its revision."""

    texts: Mapping[str, str]
    steps: Sequence[StepPreview]


def preview_of(draft: DraftTexts) -> DraftPreview:
    """Return how operators will see a draft that is in a form."""
    context: dict[str, Any] = {}  # what all steps are checked against, asked once
    forms = [_checked(step, context) for step in draft.steps if not step.is_deleted]
    forms.sort(key=lambda form: form.cleaned_data.get("position", math.inf))
    return DraftPreview(draft.texts, [_preview(number, form) for number, form in enumerate(forms, start=1)])


def _checked(step: StepTexts, context: dict[str, Any]) -> AuthorsStepForm:
    form = AuthorsStepForm(dict(step.texts), context=context)
    form.full_clean()  # leaves the members that are right in its instance
    return form


def _preview(number: int, form: AuthorsStepForm) -> StepPreview:
    definition = dict(StepSerializer(form.instance).data)
    return StepPreview(number, definition, _named(blank_form(definition, ""), number), list(_findings(form)))


def _findings(form: AuthorsStepForm) -> Iterator[str]:
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else None
        for error in errors:
            yield f"{label}: {error}" if label else str(error)


def _named(form: StepForm, number: int) -> StepForm:
    """Return a form whose fields have names of their own on a page with several steps."""

    def named(inputs: Sequence[Input]) -> list[Input]:
        return [replace(one, name=f"step-{number}.{one.name}") for one in inputs]

    return replace(form, inputs=named(form.inputs), checks=named(form.checks))
