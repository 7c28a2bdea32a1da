"""Instructions as operators will see them, while an author writes them."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from procedures.forms import as_stored
from procedures.markdown import html_of
from procedures.models import Step

MAX_LENGTH = Step._meta.get_field("instructions").max_length or 0


@require_POST
def preview_instructions(request: HttpRequest) -> JsonResponse:
    """Answer the HTML of a text, or why it has none."""
    text = as_stored(request.POST.get("text", ""))
    if len(text) > MAX_LENGTH:
        return JsonResponse({"refusal": f"Instructions have at most {MAX_LENGTH} characters; these have {len(text)}."})
    return JsonResponse({"html": html_of(text)})
