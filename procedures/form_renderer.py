"""The fields of a form as HTML, without templates: these are most of a field's cost, and a draft's page has thousands.

The output is byte for byte that of Django's own templates.
"""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.utils.html import conditional_escape

Context = Mapping[str, Any]


class FieldRenderer(DjangoTemplates):
    """Writes the usual widgets, labels and errors by itself, and leaves all else to Django's templates."""

    def render(self, template_name: str, context: Any, request: Any = None) -> str:
        write = WRITERS.get(template_name)
        return super().render(template_name, context, request) if write is None else write(context)


def _attributes(attributes: Context | None) -> str:
    return "".join(
        f" {name}" if value is True else f' {name}="{escape(str(value))}"'
        for name, value in (attributes or {}).items()
        if value is not False
    )


def _label(context: Context) -> str:
    tag, text = context["tag"], conditional_escape(context["label"])
    return f"<{tag}{_attributes(context['attrs'])}>{text}</{tag}>" if context["use_tag"] else text


def _errors(context: Context) -> str:
    errors = context["errors"]
    if not errors:
        return ""
    anchor = f' id="{escape(errors.field_id)}_error"' if errors.field_id else ""
    items = "".join(f"<li>{conditional_escape(error)}</li>" for error in errors)
    return f'<ul class="{escape(context["error_class"])}"{anchor}>{items}</ul>'


def _input(context: Context) -> str:
    widget = context["widget"]
    value = "" if widget["value"] is None else f' value="{escape(str(widget["value"]))}"'
    return f'<input type="{widget["type"]}" name="{escape(widget["name"])}"{value}{_attributes(widget["attrs"])}>'


def _textarea(context: Context) -> str:
    widget = context["widget"]
    text = escape(widget["value"] or "")
    return f'<textarea name="{escape(widget["name"])}"{_attributes(widget["attrs"])}>\n{text}</textarea>'


def _select(context: Context) -> str:
    widget = context["widget"]
    options = "".join(_option(option) for _, group, _ in widget["optgroups"] for option in group)
    return f'<select name="{escape(widget["name"])}"{_attributes(widget["attrs"])}>{options}\n</select>'


def _option(option: Context) -> str:
    value, attributes = escape(str(option["value"])), _attributes(option["attrs"])
    return f'\n  <option value="{value}"{attributes}>{conditional_escape(option["label"])}</option>\n'


WRITERS: Mapping[str, Callable[[Context], str]] = {
    "django/forms/label.html": _label,
    "django/forms/errors/list/default.html": _errors,
    "django/forms/errors/list/ul.html": _errors,
    "django/forms/widgets/textarea.html": _textarea,
    "django/forms/widgets/select.html": _select,
    **{f"django/forms/widgets/{kind}.html": _input for kind in ("text", "number", "hidden", "checkbox")},
}
