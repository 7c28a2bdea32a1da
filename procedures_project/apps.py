"""App registration: the top storey is an app for its commands, and to make the roles once all other apps are ready."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from procedures_project.log_stream import LOG_STREAM


class ProceduresProjectConfig(AppConfig):
    """Wiring."""

    name = "procedures_project"

    def ready(self) -> None:
        from procedures_project import checks  # noqa: F401, PLC0415  # registers itself
        from procedures_project.metrics import count_dropped_lines  # noqa: PLC0415  # after the settings
        from procedures_project.postgresql.waiting import renew_patience  # noqa: PLC0415  # psycopg needs no apps
        from procedures_project.roles import make_groups  # noqa: PLC0415  # after the models
        from versioned_cache.build_signals import build_goes_on  # noqa: PLC0415

        build_goes_on.connect(renew_patience)
        LOG_STREAM.count_dropped_with(count_dropped_lines)
        # After the last app with models: by then Django has made the permissions of all apps.
        post_migrate.connect(make_groups, sender=apps.get_app_config("runs"))
