"""Reports of the service's own faults to Sentry, where it is set up: each log line with a traceback is an event there.

A report tells where a fault is and under which request id the log has the rest. It contains no request, no variables,
and not even the exception's message: that may be a client's text, or a secret. Sentry's SDK is an optional extra
(`sentry`).
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from procedures_project import __version__

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.transport import Transport

FLUSH_SECONDS = 2.0


class FaultReports:
    """Reports log events. Safe to share between threads.

    Attributes:
        is_on: Whether anything is reported; nothing until it is started.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._client: Client | None = None

    def start(self, dsn: str, transport: "type[Transport] | Transport | None" = None) -> None:
        """Report to the project that `dsn` names from now on, in a thread; by `transport`, or else over HTTP."""
        from sentry_sdk import Client

        self._client = Client(
            dsn=dsn,
            transport=transport,
            release=f"procedures@{__version__}",
            include_local_variables=False,
            max_breadcrumbs=0,
            default_integrations=False,  # they would look at requests
            auto_enabling_integrations=False,
            auto_session_tracking=False,
        )
        self.is_on = True

    def stop(self) -> None:
        """Send what is left, for two seconds at most, and report no more."""
        self.is_on = False
        client, self._client = self._client, None
        if client is not None:
            client.close(FLUSH_SECONDS)

    def report(self, event: Mapping[str, Any]) -> None:
        """Report a log event that has a traceback, as structlog has it before it is rendered."""
        if self._client is not None:
            self._report(self._client, event)

    @staticmethod
    def _report(client: "Client", event: Mapping[str, Any]) -> None:
        from sentry_sdk.utils import event_from_exception

        error = event["exc_info"]
        raised = error if isinstance(error, (BaseException, tuple)) else sys.exc_info()
        report, hint = event_from_exception(raised, client.options)
        for exception in report["exception"]["values"]:
            exception["value"] = ""
        report["level"] = event["level"]
        report["tags"] = {"request_id": event.get("request_id", "")}
        client.capture_event(report, hint)


fault_reports = FaultReports()
