"""Trying a value against a slot's pattern while writing it, with the engine that operators' values will meet."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from procedures.patterns import Compiling, InvalidPattern, Matching, PatternTooLarge, TextTooLong
from procedures.serializers import SlotSerializer


@require_POST
def try_pattern(request: HttpRequest) -> JsonResponse:
    """Answer whether the pattern matches the whole of the value, in words."""
    return JsonResponse({"verdict": _verdict(request.POST.get("pattern", ""), request.POST.get("value", ""))})


def _verdict(pattern: str, value: str) -> str:
    if len(pattern) > (SlotSerializer().fields["pattern"].max_length or 0):  # type: ignore[attr-defined]
        return "The pattern is too long."
    try:
        Compiling().check(pattern)
        return "This value fits." if Matching().matches(pattern, value) else "This value does not fit."
    except InvalidPattern as error:
        return f"Not a valid RE2 pattern: {error}"
    except PatternTooLarge as error:
        return str(error)
    except TextTooLong:
        return "The value is too long to try."
