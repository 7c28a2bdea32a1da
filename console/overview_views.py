"""What supervisors look at: the wall, what deviated from the procedure, how long steps take, and the cache."""

import re
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.rights import Right
from console.cache_pages import cache_of_now
from console.pages import page
from console.reviews import durations_of_steps, exceptions_since
from console.walls import wall_of_now
from procedures.models import Procedure
from rest import timestamps
from rest.fields import SLUG

DAYS = (1, 7, 30)


@require_safe
@page(Right.READ_RUNS)
def wall(request: HttpRequest) -> HttpResponse:
    """Show what is running, to be read from across a room."""
    return render(request, "console/wall.html", {"wall": wall_of_now()})


@require_safe
@page(Right.READ_RUNS)
def wall_live(request: HttpRequest) -> HttpResponse:
    """Answer the part of the wall that changes."""
    return render(request, "console/wall_live.html", {"wall": wall_of_now()})


@require_safe
@page(Right.READ_RUNS, Right.ABORT_RUNS)
def review(request: HttpRequest) -> HttpResponse:
    """Show what deviated from the procedure: deviations, amendments, skips and aborts, and slow steps."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(days) for days in DAYS} else DAYS[1]
    since = timestamps.now() - timedelta(days=days)
    named = request.GET.get("procedure", "")
    key = named if re.match(SLUG, named) else ""
    context = {
        "days": days,
        "choices": DAYS,
        "exceptions": exceptions_since(since),
        "procedures": Procedure.objects.published().select_related("current").order_by("key")[:500],
        "procedure": key,
        "durations": durations_of_steps(key, since) if key else [],
    }
    return render(request, "console/review.html", context)


@require_safe
@page(Right.READ_RUNS, Right.ABORT_RUNS)
def cache(request: HttpRequest) -> HttpResponse:
    """Show the state of the cache: what it has done, and what it has now."""
    return render(request, "console/cache.html", {"cache": cache_of_now(), "now": timestamps.now()})
