"""Instructions as operators will see them, while one writes them."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from procedures.markdown import html_of
from procedures.models import Step

MAX_LENGTH = Step._meta.get_field("instructions").max_length or 0


@require_POST
def preview_instructions(request: HttpRequest) -> JsonResponse:
    """Answer the HTML of a text, or why it has none."""
    text = request.POST.get("text", "").replace("\r\n", "\n")
    if len(text) > MAX_LENGTH:
        return JsonResponse({"refusal": f"Instructions have at most {MAX_LENGTH} characters; these have {len(text)}."})
    return JsonResponse({"html": html_of(text)})
