"""What every answer tells browsers."""

import re

import pytest
from django.test import Client

from tests import PROJECT_DIR
from tests.conftest import ApiClient
from tests.procedures_project.test_refusals import BROWSER

PAGES = ["/admin/", "/admin/login/", "/docs", "/no/such/page", "/problems/not-found", "/admin/procedures/procedure/"]
TEMPLATES = sorted(
    path
    for folder in ("access", "procedures", "procedures_project", "runs")
    for path in (PROJECT_DIR / folder).rglob("*.html")
)


def directives(policy: str) -> dict[str, list[str]]:
    """Return what a policy allows, by directive."""
    return {name: sources for name, *sources in (directive.split() for directive in policy.split(";"))}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_and_styles_nothing_but_files_of_ours(admin_client: Client, path: str) -> None:
    answer = admin_client.get(path, headers={"Accept": BROWSER}, follow=True)

    allowed = directives(answer["Content-Security-Policy"])
    assert allowed["default-src"] == allowed["frame-ancestors"] == allowed["base-uri"] == ["'none'"]
    assert (
        allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == allowed["form-action"] == ["'self'"]
    )
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "geolocation=()" in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/procedures", "/openapi.json", "/nothing", "/healthz"])
def test_data_allows_nothing(viewer: ApiClient, path: str) -> None:
    assert viewer.get(path)["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_script_or_a_style_of_its_own(path: object) -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=|javascript:", path.read_text())  # type: ignore[attr-defined]
