"""Revisions in the admin: drafts are edited and published, published ones are read."""

from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from access.rights import Right
from procedures.admin.conflicts import Conflict, conflict_in, procedure_of, with_merge
from procedures.admin.findings import Obstacle, mark, obstacles_of
from procedures.admin.heads import DRAFTING
from procedures.admin.patterns import try_pattern
from procedures.admin.previews import preview_instructions
from procedures.admin.searches import SearchedListAdmin
from procedures.differences import changes_between
from procedures.draft_edits import snapshot_of
from procedures.drafts import (
    DraftGone,
    DraftOutdated,
    DraftUnchanged,
    Publication,
    discard_draft,
    lock_draft,
    open_draft,
    publish_draft,
)
from procedures.forms import RevisionForm, TextWidget
from procedures.models import Revision, Step, content_of
from procedures.step_forms import PREVIEW_INSTRUCTIONS, TRY_PATTERN, StepForm, StepFormSet
from rest import timestamps
from rest.parameters import number_in
from rest.problems import FORBIDDEN, VALIDATION_FAILED

STYLESHEET = "procedures/admin.css"
TEXTS: dict[type[models.Field[Any, Any]], dict[str, Any]] = {models.TextField: {"widget": TextWidget, "strip": False}}


class StepInline(admin.StackedInline[Step, Revision]):
    """The steps of a draft."""

    model = Step
    form = StepForm
    formset = StepFormSet
    template = "admin/procedures/revision/steps.html"
    formfield_overrides = TEXTS
    extra = 0
    max_num = settings.MAX_STEPS
    ordering = ["position"]

    def get_formset(self, request: HttpRequest, obj: Revision | None = None, **options: Any) -> Any:
        # Django would make as many forms as a request says there are, up to a thousand more than are allowed.
        formset = super().get_formset(request, obj, absolute_max=settings.MAX_STEPS, **options)
        formset.conflict = _of(request).conflict  # type: ignore[attr-defined]
        return formset

    def _is_draft(self, revision: Revision | None) -> bool:
        return revision is not None and revision.is_draft

    def has_add_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_delete_permission(request, obj)


@admin.register(Revision)
class RevisionAdmin(SearchedListAdmin[Revision]):
    """Revisions: drafts can be edited and published, published ones can be read."""

    list_display = ["procedure", "number", "title", "published_at", "created_by"]
    list_filter = [("number", admin.EmptyFieldListFilter)]
    search_fields = ["procedure__key", "title"]
    ordering = ["procedure_id", "number"]  # which an index has; the keys are in another table
    sortable_by = ()
    list_select_related = ["procedure", "created_by"]
    fields = ["procedure", "number", "title", "description", "ordering", "change_note", "published_at"]
    readonly_fields = ["procedure", "number", "published_at"]
    formfield_overrides = TEXTS
    form = RevisionForm
    inlines = [StepInline]

    class Media:
        css = {"all": [STYLESHEET]}
        js = ["procedures/members.js", "procedures/steps.js", "procedures/typing.js", "procedures/preview.js"]

    def get_urls(self) -> list[URLPattern]:
        asked = {"try-pattern/": (TRY_PATTERN, try_pattern), "preview/": (PREVIEW_INSTRUCTIONS, preview_instructions)}
        return [
            *(
                path(place, self.admin_site.admin_view(view), name=name.partition(":")[2])
                for place, (name, view) in asked.items()
            ),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a draft is started from its procedure

    def has_change_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return (obj is None or obj.is_draft) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        # Allowing `None` would offer the bulk action, which would include published revisions.
        return obj is not None and obj.is_draft and super().has_delete_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Revision | None = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change, **options)
        form.conflict = _of(request).conflict  # type: ignore[attr-defined]
        return form

    @transaction.atomic
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a draft, or save it under a lock, unless it has changed since the form was opened."""
        try:
            opened = _open(request, object_id)
        except DraftGone:
            if elsewhere := self._go_on_in_a_new_draft(request):
                return elsewhere
            opened = Opened()
        request.opened = opened  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    @staticmethod
    def _go_on_in_a_new_draft(request: HttpRequest) -> HttpResponse | None:
        """Send a form whose draft is gone to a new one, with all that was typed (307 repeats the POST)."""
        procedure = procedure_of(request.POST)
        if procedure is None or not request.user.has_perms(DRAFTING):
            return None
        draft = open_draft(procedure=procedure, actor=cast(User, request.user), now=timestamps.now())
        new_page = reverse("admin:procedures_revision_change", args=[draft.pk])
        return HttpResponseRedirect(new_page, status=HTTPStatus.TEMPORARY_REDIRECT)

    def response_change(self, request: HttpRequest, obj: Revision) -> HttpResponse:
        if "_publish" not in request.POST:
            return super().response_change(request, obj)
        if not self._publish(request, obj):
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(reverse("admin:procedures_procedure_change", args=[obj.procedure_id]))

    def _publish(self, request: HttpRequest, draft: Revision) -> bool:
        """Publish the saved draft; if it is refused, show why and keep the draft."""
        try:
            publication = publish_draft(draft=draft, actor=cast(User, request.user), now=timestamps.now())
        except FORBIDDEN:
            self._refuse(request, "You are not allowed to publish.")
        except DraftOutdated:
            self._refuse(
                request,
                "Another revision has been published since this draft was started. Delete the draft and start again.",
            )
        except DraftUnchanged:
            self._refuse(request, f"The draft changes nothing: it equals {draft.procedure.current}.")
        except VALIDATION_FAILED:
            for obstacle in obstacles_of(draft):
                self._refuse(request, f"{obstacle.place}: {obstacle.detail}")
        else:
            self.message_user(request, _told(publication), messages.SUCCESS)
            return True
        return False

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except DraftGone:
            self.message_user(request, "Nothing was deleted: the draft has been published meanwhile.", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:procedures_revision_changelist"))

    def delete_model(self, request: HttpRequest, obj: Revision) -> None:
        discard_draft(draft=obj, actor=cast(User, request.user))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Revision]) -> Any:
        """Write nothing more: the action writes it into the history of the procedure, which stays."""

    def _may_publish(self, request: HttpRequest, draft: Revision) -> bool:
        return self.has_change_permission(request, draft) and request.user.has_perm(Right.CHANGE_PROCEDURES)

    def _refuse(self, request: HttpRequest, why: str) -> None:
        self.message_user(request, f"Not published. {why}", messages.ERROR)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        revision = context.get("original")
        if revision is not None and revision.is_draft:
            opened = _of(request)
            context |= {"can_publish": self._may_publish(request, revision), **_comparison(revision)}
            context |= {"base": opened.base, "conflict": opened.conflict, "obstacles": _marked(revision, context)}
        return super().render_change_form(request, context, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a request found when it began: the draft as it was saved, sealed, and how the form conflicts with it."""

    base: str = ""
    conflict: Conflict | None = None


def _open(request: HttpRequest, object_id: str | None) -> Opened:
    """Look at the draft; if a form was sent, lock it, and lay what was typed over what somebody else has saved.

    Raises:
        DraftGone: a form was sent, and there is no such draft any more.
    """
    pk = number_in(object_id or "")
    if pk is None:
        return Opened()
    if request.method != HTTPMethod.POST:
        draft = Revision.objects.filter(pk=pk, number=None).first()
        return Opened() if draft is None else Opened(snapshot_of(draft).sealed())
    saved = snapshot_of(lock_draft(pk))
    conflict = conflict_in(request, saved)
    if conflict is not None:
        request.POST = with_merge(request.POST, conflict.merge.result)  # type: ignore[assignment]
    return Opened(saved.sealed(), conflict)


def _of(request: HttpRequest) -> Opened:
    return getattr(request, "opened", Opened())


def _told(publication: Publication) -> str:
    if not publication.is_new:
        return f"The draft equals {publication.revision}, so it was discarded. The procedure is active again."
    again = " The procedure was archived; it is active again." if publication.is_active_again else ""
    return f"Published {publication.revision}.{again}"


def _marked(draft: Revision, context: dict[str, Any]) -> list[Obstacle]:
    """Return what keeps the draft from being published, marked at the fields too; nothing while a form has errors."""
    form = context["adminform"].form
    if form.is_bound:
        return []
    obstacles = obstacles_of(draft)
    mark(form, [obstacle for obstacle in obstacles if obstacle.row is None and obstacle.field])
    for inline in context["inline_admin_formsets"]:
        for row, step_form in enumerate(inline.formset.initial_forms):
            mark(step_form, [obstacle for obstacle in obstacles if obstacle.row == row])
    return obstacles


def _comparison(draft: Revision) -> dict[str, Any]:
    """Return what the draft's page shows about publishing it."""
    # Read again: if the form has errors, its instance carries what was sent, which is not saved.
    saved = Revision.objects.select_related("procedure__current", "based_on").get(pk=draft.pk)
    current = saved.procedure.current
    return {
        "draft": saved,
        "current": current,
        "is_outdated": saved.based_on_id != saved.procedure.current_id,
        "changes": [] if current is None else changes_between(content_of(current), content_of(saved)),
    }
