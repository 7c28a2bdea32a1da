"""What authors look at: a draft as operators will see it, and what one revision of a procedure changed to another."""

from http import HTTPMethod

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from access.rights import Right
from console.draft_pages import preview_of
from console.pages import actor_of, page
from procedures.admin.conflicts import typed_in
from procedures.differences import changes_between
from procedures.draft_edits import snapshot_of
from procedures.models import Procedure, Revision, content_of
from procedures.problems import REVISION_NOT_FOUND
from rest.parameters import number_in
from rest.problems import FORBIDDEN, NOT_FOUND

MOST_REVISIONS = 200


@require_http_methods(["GET", "HEAD", "POST"])
@page(Right.READ_PROCEDURES)
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a draft as operators will see it: as it is saved, or as it is in a form, which is sent and not saved."""
    if not actor_of(request).has_perm("procedures.change_revision"):
        raise FORBIDDEN("This requires the right procedures.change_revision.")
    saved = Revision.objects.select_related("procedure").filter(pk=pk, number=None).first()
    if saved is None:
        raise NOT_FOUND
    is_typed = request.method == HTTPMethod.POST
    texts = typed_in(request.POST) if is_typed else snapshot_of(saved).as_texts()
    context = {"draft": saved, "preview": preview_of(texts), "is_typed": is_typed}
    return render(request, "console/draft.html", context)


@require_safe
@page(Right.READ_PROCEDURES)
def revisions(request: HttpRequest, key: str) -> HttpResponse:
    """Show the revisions of a procedure, and what changed from one (`?from=`) to another (`?to=`)."""
    procedure = Procedure.objects.get_published(key)
    newest = list(_published(procedure)[: MOST_REVISIONS + 1])
    new = _chosen(procedure, request.GET.get("to", ""), otherwise=newest[0])
    old = _chosen(procedure, request.GET.get("from", ""), otherwise=new.based_on or new)
    context = {
        "procedure": procedure,
        "revisions": newest[:MOST_REVISIONS],
        "has_more": len(newest) > MOST_REVISIONS,
        "old": old,
        "new": new,
        "changes": changes_between(content_of(old), content_of(new)),
    }
    return render(request, "console/revisions.html", context)


def _published(procedure: Procedure) -> QuerySet[Revision]:
    return procedure.revisions.filter(number__isnull=False).select_related("created_by").order_by("-number")


def _chosen(procedure: Procedure, number: str, *, otherwise: Revision) -> Revision:
    """Return the revision with a number that somebody wrote.

    Raises:
        REVISION_NOT_FOUND: there is none.
    """
    if not number:
        return otherwise
    read = number_in(number)
    if read is None:
        raise REVISION_NOT_FOUND
    return procedure.published_revision(read)
