"""When each token was last used, to within ten minutes, so that tokens that nobody uses can be found and revoked.

A request only notes the use in memory, when PostgreSQL has just told whose token it is; the process writes what was
noted once a minute, in one transaction. No request waits for that or fails with it, and while PostgreSQL takes no
writes, uses are noted again later. Without the gate (docs/operations.md, "Another server") nothing is written.
"""

import threading
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q

from access.models import ApiToken

logger = structlog.get_logger(__name__)

PRECISION = timedelta(minutes=10)
WRITE_SECONDS = 60.0
MAX_NOTED = 10_000


class TokenUses:
    """The uses that this process has noted and not yet written. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[int, datetime] = {}

    def note(self, token: ApiToken, now: datetime) -> None:
        """Note that a token was used, unless that is known already."""
        if token.last_used_at is not None and now - token.last_used_at < PRECISION:
            return
        with self._lock:
            if len(self._noted) < MAX_NOTED:
                self._noted[token.pk] = now

    def write(self) -> None:
        """Write what was noted. If PostgreSQL fails, that is logged, and each use is noted again with the next one."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            _write(noted)
        except (DatabaseError, InterfaceError) as error:
            logger.info("token_uses_not_written", tokens=len(noted), error=str(error).strip())


@transaction.atomic
def _write(noted: dict[int, datetime]) -> None:
    """Write the uses of those tokens that no other process is writing at the moment."""
    newest = max(noted.values())
    stale = ApiToken.objects.filter(pk__in=noted).filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=newest - PRECISION)
    )
    tokens = list(stale.order_by("pk").select_for_update(skip_locked=True).only("pk"))
    for token in tokens:
        token.last_used_at = noted[token.pk].replace(second=0, microsecond=0)
    ApiToken.objects.bulk_update(tokens, ["last_used_at"], batch_size=1_000)


token_uses = TokenUses()
