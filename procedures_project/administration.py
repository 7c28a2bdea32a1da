"""The admin under the name of the service."""

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig


class Administration(AdminConfig):
    """Django's admin, with the site of this service."""

    default_site = "procedures_project.administration.ProceduresAdminSite"


class ProceduresAdminSite(AdminSite):
    """The pages of authors and administrators."""

    site_header = site_title = "Procedures"
    index_title = "Procedures, runs and people"
    site_url = "/"  # the console
