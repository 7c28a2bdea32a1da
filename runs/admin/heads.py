"""The list of runs, and the page of one with its ledger."""

from typing import cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from access.admin_lists import COUNTED, LongListAdmin
from rest.timestamps import to_people
from runs.admin.events import ReadOnly, RunEventInline
from runs.admin.filters import ProcedureFilter, ProcedureForm
from runs.exports import EXPORTS, finished_run
from runs.ledger import faults_in
from runs.models import NEWEST_FIRST, Run, RunQuerySet, few_found_by
from runs.pages import first_of_revisions
from runs.problems import RUN_NOT_FINISHED, RUN_NOT_FOUND
from runs.states import ENDED
from versioned_cache.versions import one_snapshot


@admin.register(Run)
class RunAdmin(ReadOnly, LongListAdmin[Run]):
    """Runs with their ledgers."""

    list_display = ["title", "status", "revision", "external_ref", "started_by_name", "started", "ended"]
    list_filter = ["status", ProcedureFilter, "started_at"]
    list_select_related = ["revision__procedure"]
    ordering = NEWEST_FIRST
    sortable_by = ["started"]
    search_fields = ["title"]  # `get_search_results` says what is searched
    search_help_text = "Words of the title, the reference or the starter's name, or the beginning of the run's id."
    fields = readonly_fields = (
        "id", "title", "external_ref", "revision", "status", "started_by_name", "started", "ended", "end_reason",
        "ledger", "files",
    )  # fmt: skip
    inlines = [RunEventInline]

    @property
    def media(self) -> forms.Media:
        return super().media + forms.Media(css={"all": ["procedures/admin.css"]}) + ProcedureForm().media

    def get_queryset(self, request: HttpRequest) -> RunQuerySet:
        return Run.objects.with_head()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        """Search as `GET /runs?q=` does; of a procedure, return those that can be leafed through."""
        runs = cast(RunQuerySet, queryset)
        if search_term.strip():
            few = few_found_by(search_term)
            many = Run.objects.found_by(search_term).order_by().values("pk")
            runs = runs.filter(pk__in=many) if few is None else runs.filter(pk__in=few)
        chosen = ProcedureForm(request.GET)
        if chosen.is_valid():
            runs = first_of_revisions(runs, chosen.cleaned_data["procedure"].revisions.all(), COUNTED)
        return runs, False

    @admin.display(description="Started", ordering="started_at")
    def started(self, run: Run) -> str:
        """Show when it was started."""
        return to_people(run.started_at)

    @admin.display(description="Ended", empty_value="")
    def ended(self, run: Run) -> str | None:
        """Show when it was completed or aborted."""
        return None if run.ended_at is None else to_people(run.ended_at)

    @admin.display(description="Ledger")
    def ledger(self, run: Run) -> str:
        """Show what the chain of hashes says, computed now."""
        with one_snapshot():
            faults = faults_in(Run.objects.with_head().get_existing(run.pk))
        if not faults:
            return "Whole: the chain of hashes is as it was recorded."
        return format_html(
            "<strong>Not as it was recorded:</strong>{}", format_html_join("", "<div>{}</div>", zip(faults))
        )

    @admin.display(description="Export")
    def files(self, run: Run) -> str:
        """Show where the exports are."""
        if run.status not in ENDED:
            return "When the run has ended."
        links = [(reverse("admin:runs_run_export", args=[run.pk, kind]), kind.upper()) for kind in EXPORTS]
        return format_html_join(" ", '<a href="{}">{}</a>', links)

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "<uuid:run_id>/export.<slug:kind>", self.admin_site.admin_view(self.export_view), name="runs_run_export"
        )
        return [export, *super().get_urls()]

    def export_view(self, request: HttpRequest, run_id: UUID, kind: str) -> HttpResponse:
        """Answer an export, as the API does, to whoever may see the run."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in EXPORTS:
            raise Http404
        try:
            with one_snapshot():
                return EXPORTS[kind].answer(finished_run(run_id))
        except (RUN_NOT_FOUND, RUN_NOT_FINISHED):
            raise Http404 from None
