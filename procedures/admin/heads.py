"""The heads of procedures in the admin: add, tag, archive, make active again; their revisions; the way to the draft."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPMethod
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join

from access.admin_lists import READ_ONLY_TABLE, FormFilter
from access.rights import Right
from procedures.actions import archive_procedure, reactivate_procedure
from procedures.admin.searches import SearchedListAdmin
from procedures.drafts import open_draft
from procedures.forms import ProcedureForm, ReasonForm
from procedures.models import Procedure, ProcedureStatus, Revision
from procedures.publishing import retag, touch
from rest import timestamps
from rest.parameters import number_in

STYLESHEET = "procedures/admin.css"
DRAFTING = ("procedures.add_revision", "procedures.change_revision")


@dataclass(frozen=True, slots=True)
class StatusChange:
    """Archiving, or the way back, as its page explains it."""

    action: str
    from_status: ProcedureStatus
    act: Callable[..., object]
    verb: str
    consequence: str
    done: str
    nothing_to_do: str


ARCHIVING = StatusChange(
    action="archive",
    from_status=ProcedureStatus.ACTIVE,
    act=archive_procedure,
    verb="Archive",
    consequence="No new run can start, and the procedure leaves the list. Its runs go on, and it stays readable.",
    done="Archived",
    nothing_to_do="Nothing was archived: of those, none is both published and active.",
)
REACTIVATING = StatusChange(
    action="reactivate",
    from_status=ProcedureStatus.ARCHIVED,
    act=reactivate_procedure,
    verb="Make active again",
    consequence="The procedure is in the list again, and new runs can start.",
    done="Active again",
    nothing_to_do="Nothing was changed: of those, none is archived.",
)


class RevisionInline(admin.TabularInline[Revision, Procedure]):
    """The revisions of a procedure, read-only."""

    model = Revision
    fk_name = "procedure"
    template = READ_ONLY_TABLE
    fields = readonly_fields = ("title", "change_note", "published_at", "created_by")
    ordering = ["-number"]
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False


class TagForm(forms.Form):
    """The choice of a tag."""

    tag = forms.CharField(max_length=63, widget=forms.TextInput({"list": "tag-suggestions", "aria-label": "Tag"}))


class TagFilter(FormFilter):
    """The procedures with a tag. Suggested are the tags of those that are shown."""

    title = parameter_name = "tag"
    form_class = TagForm

    def choices(self, changelist: ChangeList) -> Any:
        """Note the tags of what is shown too."""
        self.suggestions = sorted({tag for procedure in changelist.result_list for tag in procedure.tags})
        return super().choices(changelist)

    def selected(self, things: QuerySet[Any], value: str) -> QuerySet[Any]:
        return things.filter(tags__contains=[value])


@admin.register(Procedure)
class ProcedureAdmin(SearchedListAdmin[Procedure]):
    """The heads of procedures."""

    list_display = ["key", "title", "revision", "status", "tagged", "updated_at"]
    list_filter = ["status", TagFilter]
    search_fields = ["key", "current__title"]
    sortable_by = ["key", "updated_at"]
    list_select_related = ["current__procedure"]
    form = ProcedureForm
    inlines = [RevisionInline]
    actions = ["archive", "reactivate"]

    fields = ["key", "tags", "base", "status", "current", "steps", "updated_at"]

    class Media:
        css = {"all": [STYLESHEET]}

    def get_readonly_fields(self, request: HttpRequest, obj: Procedure | None = None) -> list[str]:
        derived = ["status", "current", "steps", "updated_at"]
        return derived if obj is None else ["key", *derived]

    def has_delete_permission(self, request: HttpRequest, obj: Procedure | None = None) -> bool:
        return False  # runs refer to procedures forever; archive them instead

    @admin.display
    def title(self, procedure: Procedure) -> str | None:
        """Show the title of the current revision."""
        return procedure.current.title if procedure.current else None

    @admin.display
    def revision(self, procedure: Procedure) -> int | None:
        """Show the number of the current revision; none while there is only a draft."""
        return procedure.current.number if procedure.current else None

    @admin.display(description="Tags")
    def tagged(self, procedure: Procedure) -> str:
        """Show the tags."""
        return ", ".join(procedure.tags)

    @admin.display(description="Current steps")
    def steps(self, procedure: Procedure) -> str:
        """Show the steps of the current revision."""
        if procedure.current is None:
            return "There are none yet: save, edit the draft, and publish it."
        rows = [(step.position, step.title, step.key) for step in procedure.current.steps.all()]
        return format_html_join("", "<div>{}. {} <code>{}</code></div>", rows)

    @transaction.atomic
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the head, or save it under the lock that every write to it takes."""
        if request.method == HTTPMethod.POST and (pk := number_in(object_id or "")) is not None:
            Procedure.objects.select_for_update().filter(pk=pk).first()
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Procedure, form: ModelForm[Procedure], change: bool) -> None:
        obj.updated_at = timestamps.now()
        if not change:
            obj.created_at = obj.updated_at
            obj.save()
            return
        saved = Procedure.objects.get(pk=obj.pk)
        retag(saved, form.cleaned_data["tags"], cast(User, request.user))
        touch(saved, obj.updated_at)

    def log_change(self, request: HttpRequest, obj: Procedure, message: Any) -> None:  # type: ignore[override]
        """Write nothing more: only tags can change here, and that is in the history already."""

    def response_add(self, request: HttpRequest, obj: Procedure, post_url_continue: str | None = None) -> HttpResponse:
        if not request.user.has_perms(DRAFTING):
            return super().response_add(request, obj, post_url_continue)
        return self._edit_draft(request, obj)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {
            "can_draft": request.user.has_perms(DRAFTING),
            **self._status_button(request, context.get("original")),
        }
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

    def has_reactivate_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may make procedures active again: those who may publish may."""
        return request.user.has_perm(Right.CHANGE_PROCEDURES)

    @admin.action(description="Archive the selected procedures…", permissions=["archive"])
    def archive(self, request: HttpRequest, procedures: QuerySet[Procedure]) -> HttpResponse | None:
        """Ask for a reason, and archive the active ones."""
        return self._change_status(request, procedures, ARCHIVING)

    @admin.action(description="Make the selected procedures active again…", permissions=["reactivate"])
    def reactivate(self, request: HttpRequest, procedures: QuerySet[Procedure]) -> HttpResponse | None:
        """Ask for a reason, and make the archived ones active."""
        return self._change_status(request, procedures, REACTIVATING)

    def _change_status(
        self, request: HttpRequest, procedures: QuerySet[Procedure], change: StatusChange
    ) -> HttpResponse | None:
        affected = list(procedures.filter(current__isnull=False, status=change.from_status))
        if not affected:
            self.message_user(request, change.nothing_to_do, messages.WARNING)
            return None
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask_for_reason(request, affected, change, form)
        with transaction.atomic():
            for procedure in affected:
                change.act(
                    key=procedure.key,
                    actor=cast(User, request.user),
                    now=timestamps.now(),
                    reason=form.cleaned_data["reason"],
                )
        keys = ", ".join(procedure.key for procedure in affected)
        self.message_user(request, f"{change.done}: {keys}.", messages.SUCCESS)
        return None

    def _ask_for_reason(
        self, request: HttpRequest, procedures: list[Procedure], change: StatusChange, form: ReasonForm
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{change.verb}?",
            "opts": self.opts,
            "media": self.media,
            "procedures": procedures,
            "status_change": change,
            "form": form,
        }
        return TemplateResponse(request, "admin/procedures/procedure/status.html", context)

    def _status_button(self, request: HttpRequest, procedure: Procedure | None) -> dict[str, Any]:
        """Return what the page of a published procedure shows to archive it, or to make it active again."""
        if procedure is None or procedure.current_id is None:
            return {}
        if procedure.status == ProcedureStatus.ACTIVE:
            return {"status_change": ARCHIVING} if self.has_archive_permission(request) else {}
        return {"status_change": REACTIVATING} if self.has_reactivate_permission(request) else {}
