"""Everybody at work, one fault after another, and what came of it."""

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.factories import body, slot, step
from tests.faults.history.cluster import Cluster
from tests.faults.history.faults import FAULTS, Fault
from tests.faults.history.history import History
from tests.faults.history.load import TAG_BEGINNING, Load, create_things, tag_of
from tests.faults.history.proof import Outcome, let_happen
from tests.faults.soak import chores
from tests.faults.soak.answers import Answers
from tests.faults.soak.editor import Editor
from tests.faults.soak.operators import STEPS, Operator, unlike_the_ledger
from tests.faults.soak.workers import Memory
from tests.faults.threads import Threads
from tests.people import ADMIN_PASSWORD
from tests.processes import run_python, service_environment

OPERATORS = 2
EXECUTED, EDITED, IMPORTED = "soaked-runs", "edited", "imported"
MOST_GROWTH = 1.1  # of a worker, from the third minute to the last


@dataclass
class Report:
    """What came of it.

    Attributes:
        growth: How many times as much memory a worker held in the last minute as in the third, if there were four.
        lost: What was acknowledged and is not there exactly once.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)
    mebibytes: list[float] = field(default_factory=list)
    growth: float | None = None
    lost: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """What breaks the promise, in words."""
        found = [violation for outcome in self.outcomes for violation in outcome.violations]
        found += [f"wrong answer: {wrong}" for wrong in self.answers.wrong] + self.lost
        if self.growth is not None and self.growth > MOST_GROWTH:
            found.append(f"the workers grew: MiB in each minute {[round(size) for size in self.mebibytes]}")
        return found


class Soak:
    """Everybody at work, from the start of the block to its end."""

    def __init__(self, cluster: Cluster, lease_ms: int) -> None:
        self.report = Report()
        self._cluster = cluster
        self._lease_ms = lease_ms
        self._things = create_things(cluster)
        self._history = History()
        self._stack = ExitStack()
        self._threads = Threads()
        self._memory = Memory(cluster.nodes)
        self._operators = self._hired_operators()
        self._numbered = [self._edits(), self._imports()]

    def __enter__(self) -> "Soak":
        exporter = chores.Exporter(self._client("supervisor"), self._operators, self.report.answers)
        for operator in self._operators:
            self._threads.start(operator.work, self._threads.ending)
        for worker in (self._memory.sample, exporter.work, *[numbered.work for numbered in self._numbered]):
            self._threads.start(worker, self._threads.ending)
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.end()
        self._stack.close()
        self._threads.raise_failures()

    def suffer(self, fault: Fault) -> Outcome:
        """Let a fault happen, and judge what readers and writers saw meanwhile."""
        self.report.answers.fault = fault
        outcome = let_happen(fault, self._cluster, self._things, self._lease_ms, begun=self._note_in)
        self.report.outcomes.append(outcome)
        return outcome

    def end(self) -> Report:
        """Let everybody finish, and hold what was acknowledged against the database."""
        self._threads.end()
        report = self.report
        report.lost = [*unlike_the_ledger(self._cluster, self._operators), *self._lost_tags(), *self._faults_found()]
        report.mebibytes, report.growth = self._memory.mebibytes(), self._memory.growth()
        return report

    def _note_in(self, load: Load) -> None:
        self._history = load.history

    def _hired_operators(self) -> list[Operator]:
        amount = slot("amount", "decimal")
        steps = [
            step("step-0", slots=[amount]),
            *[step(f"step-{number}", skippable=True) for number in range(1, STEPS)],
        ]
        self._create(body(EXECUTED, steps=steps))
        return [
            Operator(f"operator-{number}", EXECUTED, self._client("operator"), self.report.answers)
            for number in range(OPERATORS)
        ]

    def _create(self, definition: dict[str, Any]) -> None:
        self._client("author").post("/procedures", json=definition).raise_for_status()

    def _edits(self) -> chores.NumberedWrites:
        self._create(body(EDITED, tags=[tag_of(0)]))
        editor = Editor(self._cluster.nodes[0].base_url, self.report.answers, "admin", ADMIN_PASSWORD)
        self._stack.callback(editor.close)
        editor.log_in()
        ((procedure_id,),) = self._cluster.sql("SELECT id FROM procedures_procedure WHERE key = %s", EDITED)
        write = chores.edit_tags(editor, procedure_id)
        return chores.NumberedWrites("editor", EDITED, lambda: self._history, write, chores.PAUSE_SECONDS)

    def _imports(self) -> chores.NumberedWrites:
        self._create(body(IMPORTED, tags=[tag_of(0)]))
        write = chores.import_bundle(self._cluster.folder, IMPORTED, self._environment(), self.report.answers)
        return chores.NumberedWrites("importer", IMPORTED, lambda: self._history, write, chores.IMPORT_PAUSE_SECONDS)

    def _lost_tags(self) -> Iterator[str]:
        for procedure in (numbered.procedure for numbered in self._numbered):
            ((tags,),) = self._cluster.sql("SELECT tags FROM procedures_procedure WHERE key = %s", procedure.key)
            number = int(tags[0].removeprefix(TAG_BEGINNING))
            if not procedure.acknowledged <= number <= procedure.number:
                yield f"{procedure.key}: {procedure.acknowledged} was acknowledged, {number} is recorded"

    def _faults_found(self) -> Iterator[str]:
        """Ask the service's own commands what they find."""
        for command in ("verify_ledger", "audit_cache"):
            try:
                run_python("manage", command, environment=self._environment())
            except RuntimeError as error:
                yield str(error)

    def _environment(self) -> dict[str, str]:
        redis = f"redis://127.0.0.1:{self._cluster.valkey.port}/0"
        stores = {"DATABASE_URL": self._cluster.database_url, "REDIS_URL": redis}
        return service_environment(self._cluster.folder, INSECURE_HTTP="1", **stores)

    def _client(self, role: str) -> httpx.Client:
        node = random.choice(self._cluster.nodes)  # noqa: S311  # no secret
        bearer = {"Authorization": f"Bearer {self._cluster.tokens[role]}"}
        client = httpx.Client(base_url=node.base_url, headers=bearer, timeout=30, trust_env=False)
        return self._stack.enter_context(client)


def endless(faults: Sequence[Fault], seed: int) -> Iterator[Fault]:
    """Yield the faults again and again, each time in another order."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    for _ in itertools.count():
        yield from chance.sample(faults, len(faults))


def soaked(
    cluster: Cluster, lease_ms: int, *, seconds: float, seed: int, say: Callable[[str], None],
    faults: Sequence[Fault] = FAULTS,
) -> Report:  # fmt: skip
    """Let one fault follow the other for a time, while everybody works."""
    deadline = time.monotonic() + seconds
    with Soak(cluster, lease_ms) as soak:
        for fault in endless(faults, seed):
            say(soak.suffer(fault).row())
            if time.monotonic() >= deadline:
                break
        report = soak.end()
    say(json.dumps(dict(sorted(report.answers.counts.items()))))
    return report
