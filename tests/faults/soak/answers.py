"""Which answers anybody may get while things break, and what was answered."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from tests.faults.history.faults import Fault


@dataclass
class Answers:
    """What all who are at work were answered.

    Attributes:
        fault: What breaks now, and what it excuses.
        counts: How often each thing was done, and how often it was refused or not answered.
        wrong: The answers that nobody may get, in words.
    """

    fault: Fault | None = None
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def request(
        self, client: httpx.Client, doing: str, method: str, path: str, *, expected: HTTPStatus, **options: object
    ) -> httpx.Response | None:
        """Send a request, and return its answer if it is the expected one.

        None stands for a 503 that says when to come back, or for no answer from a worker that was killed: try again.
        Any other answer is noted as wrong.
        """
        before = self.fault
        try:
            response = client.request(method, path, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            excused = any(fault and fault.kills_workers for fault in (before, self.fault))
            self._note(f"{doing}: no answer", None if excused else f"{method} {path}: {error!r}")
            return None
        if response.status_code == expected:
            self._note(doing)
            return response
        is_announced = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in response.headers
        wrong = f"{method} {path}: {response.status_code} {response.text[:500]}"
        self._note(f"{doing}: {response.status_code}", None if is_announced else wrong)
        return None

    def _note(self, what: str, wrong: str | None = None) -> None:
        with self._lock:
            self.counts[what] += 1
            if wrong:
                self.wrong.append(wrong)
