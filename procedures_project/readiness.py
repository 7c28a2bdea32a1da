"""Whether requests should be sent here, found by looking at what they need.

PostgreSQL must answer and take writes, under the schema of this code, with the triggers that bump versions; Redis
should take bumps. The gate looks once a second, in a thread and over a connection of its own, so a probe is answered
at once, whatever PostgreSQL does.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import structlog
from django.db import connection as django_connection

from procedures_project import metrics
from procedures_project.postgresql.inspection import missing_migrations
from procedures_project.postgresql.objects import faults_of_objects
from procedures_project.postgresql.waiting import PROBE_PATIENCE_SECONDS, ImpatientConnection, patience
from procedures_project.readiness_log import CLOCK, DOWN, READ_ONLY, UNKNOWN, ReadinessLog
from rest.outage import outage_log
from runs.metrics import UNFINISHED
from runs.states import NOT_ENDED
from versioned_cache.engine import cache
from versioned_cache.health import RedisState

logger = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
DRAINING_SECONDS = 0.1
LONG_AGO_SECONDS = 10.0  # a look takes two at most, and a worker that has much to do may be late
NOTHING = {"postgresql": UNKNOWN, "redis": UNKNOWN}
STARTING, BLIND = {"status": "starting", **NOTHING}, {"status": "unavailable", **NOTHING}

CLOCK_TOLERANCE_SECONDS = 1.0

LOOKS_A_COUNT = 10
# On the server, so that a statement which is given up here does not go on waiting for a lock there, in its own session.
COUNT_LIMIT = f"SET LOCAL statement_timeout = {int(PROBE_PATIENCE_SECONDS * 1000 / 2)}"
UNFINISHED_RUNS = "SELECT status, count(*) FROM runs_run WHERE status IN ('in_progress', 'paused') GROUP BY status"

STANDBY = "standby"
READS_ALONE = frozenset({READ_ONLY})

# What a new session would get: a role's and a database's default count from when a session begins.
CLOCK_AND_WRITES = r"""
SELECT extract(epoch FROM clock_timestamp())::float8, pg_is_in_recovery(), coalesce(
    (SELECT split_part(setting, '=', 2)::bool FROM pg_db_role_setting, unnest(setconfig) setting
     WHERE starts_with(setting, 'default_transaction_read_only=')
     AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
     AND setrole IN (0, session_user::regrole)
     ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1),
    current_setting('default_transaction_read_only')::bool)
"""


def compared_clock(instant: float, asked_at: float, answered_at: float) -> str:
    """Measure how far this host's clock is off, and return words for it if that is certainly more than a second.

    Args:
        instant: What PostgreSQL's clock said between two readings of ours.
        asked_at: The reading before.
        answered_at: The reading after.
    """
    offset = (asked_at + answered_at) / 2 - instant
    metrics.CLOCK_OFFSET_SECONDS.set(abs(offset))
    if abs(offset) - abs(answered_at - asked_at) / 2 <= CLOCK_TOLERANCE_SECONDS:
        return ""
    return f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} PostgreSQL's"


@contextmanager
def _timed(component: str) -> Iterator[None]:
    """Record how long the block took, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        metrics.LOOK_SECONDS.labels(component).set(time.monotonic() - began)


class Looker:
    """Looks at what requests need. To be used by one thread at a time."""

    def __init__(self) -> None:
        self._connection: ImpatientConnection | None = None
        self._clock_fault = ""

    def look(self) -> dict[str, str]:
        """Return the state of the service, and of what it needs.

        `status` is `ok`; `degraded` without Redis, when everything works and is slower, while PostgreSQL takes no
        writes, when reads work, and while this host's clock is off; or `unavailable`. `redis_reason` says why Redis
        refuses bumps, `clock` how far the clock is off.
        """
        self._clock_fault = ""
        with _timed("postgresql"):
            postgresql = self._state_of_postgresql()
        with _timed("redis"):
            redis = cache.look()
        if postgresql not in {"ok", *READS_ALONE}:
            status = "unavailable"
        else:
            is_well = postgresql == "ok" and redis.state is RedisState.OK and not self._clock_fault
            status = "ok" if is_well else "degraded"
        remarks = {"redis_reason": redis.reason, CLOCK: self._clock_fault}
        return {"status": status, "postgresql": postgresql, "redis": redis.state.value} | {
            name: remark for name, remark in remarks.items() if remark
        }

    def count_unfinished_runs(self) -> None:
        """Set the gauges of runs in progress and paused; while PostgreSQL fails they stay as they were."""
        try:
            with (
                patience(PROBE_PATIENCE_SECONDS),
                (session := self._open()).transaction(),
                session.cursor() as cursor,
            ):
                cursor.execute(COUNT_LIMIT)
                counted = dict(cursor.execute(UNFINISHED_RUNS).fetchall())
        except psycopg.Error:
            return
        for status in NOT_ENDED:
            UNFINISHED.labels(status.value).set(counted.get(status.value, 0))

    def close(self) -> None:
        """Give up the connection."""
        if self._connection is not None:
            self._connection.close()

    def _state_of_postgresql(self) -> str:
        try:
            with patience(PROBE_PATIENCE_SECONDS):
                return self._fault_in(self._open())
        except psycopg.Error:
            self.close()
            self._connection = None
            return DOWN

    def _open(self) -> ImpatientConnection:
        if self._connection is not None and self._connection.is_read_only:
            self._connection.close()
        if self._connection is None or self._connection.closed:
            parameters = django_connection.get_connection_params()
            own = {name: value for name, value in parameters.items() if name not in {"cursor_factory", "context"}}
            self._connection = ImpatientConnection.connect(**own | {"autocommit": True})
        return self._connection

    def _fault_in(self, connection: ImpatientConnection) -> str:
        """Return what stands in the way of requests, or `ok`."""
        with connection.cursor() as cursor:
            asked_at = time.time()
            instant, is_standby, is_read_only = cursor.execute(CLOCK_AND_WRITES).fetchone() or (asked_at, True, True)
            self._clock_fault = compared_clock(instant, asked_at, time.time())
            if is_standby:
                return STANDBY  # what it knows may be old
            if missing_migrations(cursor):
                return "migrations pending"
            if faults_of_objects(cursor):
                return "triggers missing"
            return READ_ONLY if is_read_only else "ok"


class Readiness:
    """What was found at the last look.

    Args:
        drain_file: While it exists, the server is about to stop, and requests should be sent elsewhere.
        clock: Seconds that never go back.
    """

    def __init__(self, drain_file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._drain_file = drain_file
        self._draining, self._draining_due_at = False, -math.inf
        self._clock = clock
        self._looked_at = clock()
        self._looker = Looker()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._found = STARTING
        self._log = ReadinessLog(STARTING, outage_log, clock)

    @property
    def found(self) -> dict[str, str]:
        """The state of the service, and of what it needs; see `Looker.look`. `draining` before it stops.

        A look that hangs, in a resolver for instance, finds nothing, so the last result counts only for a while.
        """
        is_recent = self._clock() - self._looked_at < LONG_AGO_SECONDS
        found = self._found if is_recent else BLIND
        return {**found, "status": "draining"} if self._look_for_drain_file() else found

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop, as of a moment ago: each answer asks, and a look takes a tenth of a hit.

        Once `found` has said that this worker drains, this says so too.
        """
        return self._draining if self._clock() < self._draining_due_at else self._look_for_drain_file()

    def _look_for_drain_file(self) -> bool:
        self._draining = self._drain_file is not None and self._drain_file.exists()
        self._draining_due_at = self._clock() + DRAINING_SECONDS
        return self._draining

    async def look(self) -> None:
        """Look now; a look that fails is one that finds nothing."""
        try:
            self._found = await asyncio.get_running_loop().run_in_executor(self._thread, self._looker.look)
        except Exception:  # whatever a driver may raise: it must not be the last look
            logger.exception("readiness_unknown")
            self._found = BLIND
        self._looked_at = self._clock()
        self._log.note(self.found)

    async def keep_looking(self) -> None:
        """Look again and again, until cancelled."""
        for number in itertools.count():
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self.look()
            if number % LOOKS_A_COUNT == 0:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._looker.count_unfinished_runs)

    def close(self) -> None:
        """Let the thread end, and its connection."""
        self._thread.submit(self._looker.close)
        self._thread.shutdown()
