"""Which static files are collected: those that some page loads."""

from django.contrib.staticfiles import apps


class StaticFiles(apps.StaticFilesConfig):
    """Django's app, without what comes along in the sidecar: another viewer, source maps, most of its bytes."""

    ignore_patterns = [*apps.StaticFilesConfig.ignore_patterns, "redoc", "*.map", "oauth2-*", "*-standalone-*"]
