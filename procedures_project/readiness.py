"""Whether requests should be sent to this worker, looked at once a second by a task of its own.

So a probe is answered at once, whatever PostgreSQL does, and is at most as old as a look takes.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import connections

from procedures_project.operations import readiness

LOOK_EVERY_SECONDS = 1.0


class Readiness:
    """What was found at the last look.

    Args:
        drain_file: While it exists, the server is about to stop, and requests should be sent elsewhere.
    """

    def __init__(self, drain_file: Path | None) -> None:
        self._drain_file = drain_file
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._found: dict[str, str] = {"status": "starting"}

    @property
    def found(self) -> dict[str, str]:
        """The state of the service, and of what it needs."""
        is_draining = self._drain_file is not None and self._drain_file.exists()
        return {**self._found, "status": "draining"} if is_draining else self._found

    async def keep_looking(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._found = await loop.run_in_executor(self._executor, readiness)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look_once(self) -> None:
        """Look now."""
        self._found = await asyncio.get_running_loop().run_in_executor(self._executor, readiness)

    def close(self) -> None:
        """Let the thread end."""
        self._executor.submit(connections.close_all)
        self._executor.shutdown()
