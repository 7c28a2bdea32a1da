"""Procedures in the admin: the head, its revisions, and the draft that becomes the next one.

A published revision is read-only. Authors edit the draft and publish it.
"""

from http import HTTPMethod
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join

from access.admin_lists import ListAdmin
from access.rights import Right
from procedures.actions import DraftOutdated, archive_procedure, open_draft, publish_draft
from procedures.differences import changes_between
from procedures.forms import ProcedureForm, StepForm, StepFormSet, TextWidget
from procedures.models import Procedure, Revision, Step, content_of
from rest import timestamps
from rest.problems import FORBIDDEN, VALIDATION_FAILED

STYLESHEET = "procedures/admin.css"
DRAFTING = ("procedures.add_revision", "procedures.change_revision")
TEXTS: dict[type[models.Field[Any, Any]], dict[str, Any]] = {models.TextField: {"widget": TextWidget, "strip": False}}


class RevisionInline(admin.TabularInline[Revision, Procedure]):
    """The revisions of a procedure, read-only."""

    model = Revision
    fk_name = "procedure"
    fields = readonly_fields = ("number", "title", "change_note", "published_at", "created_by")
    ordering = ["-number"]
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False


@admin.register(Procedure)
class ProcedureAdmin(ListAdmin[Procedure]):
    """The heads of procedures."""

    list_display = ["key", "current", "status", "tags", "updated_at"]
    list_filter = ["status"]
    search_fields = ["key", "current__title"]
    list_select_related = ["current__procedure"]
    form = ProcedureForm
    inlines = [RevisionInline]
    actions = ["archive"]

    fields = ["key", "tags", "status", "current", "steps", "updated_at"]

    class Media:
        css = {"all": [STYLESHEET]}

    def get_readonly_fields(self, request: HttpRequest, obj: Procedure | None = None) -> list[str]:
        derived = ["status", "current", "steps", "updated_at"]
        return derived if obj is None else ["key", *derived]

    def has_delete_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False  # runs refer to procedures forever; archive them instead

    @admin.display(description="Current steps")
    def steps(self, procedure: Procedure) -> str:
        """Show the steps of the current revision."""
        if procedure.current is None:
            return "There are none yet: save, edit the draft, and publish it."
        rows = [(step.position, step.title, step.key) for step in procedure.current.steps.all()]
        return format_html_join("", "<div>{}. {} <code>{}</code></div>", rows)

    def save_model(self, request: HttpRequest, obj: Procedure, form: ModelForm[Procedure], change: bool) -> None:
        obj.updated_at = timestamps.now()
        if change:
            # Only what the form has: saving more would undo what somebody publishes meanwhile.
            obj.save(update_fields=["tags", "updated_at"])
        else:
            obj.created_at = obj.updated_at
            obj.save()

    def response_add(self, request: HttpRequest, obj: Procedure, post_url_continue: str | None = None) -> HttpResponse:
        if not request.user.has_perms(DRAFTING):
            return super().response_add(request, obj, post_url_continue)
        return self._edit_draft(request, obj)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["can_draft"] = request.user.has_perms(DRAFTING)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        draft = path("<int:object_id>/draft/", self.admin_site.admin_view(self.draft_view), name="procedures_draft")
        return [draft, *super().get_urls()]

    def draft_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Open the procedure's draft; start one if there is none."""
        if request.method != HTTPMethod.POST:
            return HttpResponseNotAllowed([HTTPMethod.POST])
        if not request.user.has_perms(DRAFTING):
            raise PermissionDenied
        return self._edit_draft(request, get_object_or_404(Procedure, pk=object_id))

    @staticmethod
    def _edit_draft(request: HttpRequest, procedure: Procedure) -> HttpResponse:
        draft = open_draft(procedure=procedure, actor=cast(User, request.user), now=timestamps.now())
        return HttpResponseRedirect(reverse("admin:procedures_revision_change", args=[draft.pk]))

    def has_archive_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may archive procedures."""
        return request.user.has_perm(Right.ARCHIVE_PROCEDURES)

    @admin.action(description="Archive the selected procedures", permissions=["archive"])
    def archive(self, request: HttpRequest, procedures: QuerySet[Procedure]) -> None:
        """Archive the published ones; a procedure that has only a draft cannot be archived."""
        published = procedures.filter(current__isnull=False)
        for procedure in published:
            archive_procedure(key=procedure.key, actor=cast(User, request.user), now=timestamps.now())
        self.message_user(request, f"Archived: {len(published)}.")


class StepInline(admin.StackedInline[Step, Revision]):
    """The steps of a draft."""

    model = Step
    form = StepForm
    formset = StepFormSet
    formfield_overrides = TEXTS
    extra = 0
    ordering = ["position"]

    def _is_draft(self, revision: Revision | None) -> bool:
        return revision is not None and revision.is_draft

    def has_add_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return self._is_draft(obj) and super().has_delete_permission(request, obj)


@admin.register(Revision)
class RevisionAdmin(ListAdmin[Revision]):
    """Revisions: drafts can be edited and published, published ones can be read."""

    list_display = ["procedure", "number", "title", "published_at", "created_by"]
    list_filter = [("number", admin.EmptyFieldListFilter)]
    search_fields = ["procedure__key", "title"]
    list_select_related = ["procedure", "created_by"]
    fields = ["procedure", "number", "title", "description", "ordering", "change_note", "published_at"]
    readonly_fields = ["procedure", "number", "published_at"]
    formfield_overrides = TEXTS
    inlines = [StepInline]

    class Media:
        css = {"all": [STYLESHEET]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a draft is started from its procedure

    def has_change_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        return (obj is None or obj.is_draft) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        # Allowing `None` would offer the bulk action, which would include published revisions.
        return obj is not None and obj.is_draft and super().has_delete_permission(request, obj)

    def response_change(self, request: HttpRequest, obj: Revision) -> HttpResponse:
        if "_publish" not in request.POST:
            return super().response_change(request, obj)
        if not self._publish(request, obj):
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(reverse("admin:procedures_procedure_change", args=[obj.procedure_id]))

    def _publish(self, request: HttpRequest, draft: Revision) -> bool:
        """Publish the saved draft; if it is refused, show why and keep the draft."""
        try:
            publish_draft(draft=draft, actor=cast(User, request.user), now=timestamps.now())
        except FORBIDDEN:
            self._refuse(request, "You are not allowed to publish.")
        except DraftOutdated:
            self._refuse(
                request,
                "Another revision has been published since this draft was started. Delete the draft and start again.",
            )
        except VALIDATION_FAILED as refusal:
            for finding in refusal.extensions["errors"]:
                self._refuse(request, f"{finding['pointer']}: {finding['detail']}")
        else:
            self.message_user(request, f"Published {draft}.", messages.SUCCESS)
            return True
        return False

    def _may_publish(self, request: HttpRequest, draft: Revision) -> bool:
        return self.has_change_permission(request, draft) and request.user.has_perm(Right.CHANGE_PROCEDURES)

    def _refuse(self, request: HttpRequest, why: str) -> None:
        self.message_user(request, f"Not published. {why}", messages.ERROR)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        revision = context.get("original")
        if revision is not None and revision.is_draft:
            context |= {"can_publish": self._may_publish(request, revision), **_comparison(revision)}
        return super().render_change_form(request, context, *args, **kwargs)


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
