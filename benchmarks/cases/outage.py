"""Redis down against Redis up: frozen, so that calls hang, and killed, so that they are refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.cases.hit import PROCEDURES
from benchmarks.measurement import (
    CONNECTIONS,
    COUNTED_REQUESTS,
    LIST,
    Findings,
    Measurement,
    Reader,
    compare,
    connections_text,
    series,
)
from benchmarks.ratios import Round
from benchmarks.servers import OURS, serving

GOAL = 0.7
STATES = ("up", "frozen", "killed")
SETTLING_SECONDS = 1.5  # longer than the circuit breaker stays open, so that it has noticed either way


def measure(measurement: Measurement) -> Findings:
    """Measure each state once a round."""
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    with serving([OURS], measurement.folder, workload.environment, path=LIST, token=token) as servers:
        readers = {connections: Reader(servers["ours"], token, connections) for connections in CONNECTIONS}
        findings = Findings()
        rounds = findings.rounds["rates"] = [_round(measurement, readers) for _ in range(measurement.plan.rounds)]
        findings.facts["per_request"] = {"killed": _walk_while_killed(measurement, readers[1])}
    findings.comparisons = [
        compare(
            rounds,
            series(state, connections),
            series("up", connections),
            path=f"Redis {state} against up",
            conditions=connections_text(connections),
            goal=GOAL,
        )
        for state in STATES[1:]
        for connections in CONNECTIONS
    ]
    return findings


def _round(measurement: Measurement, readers: dict[int, Reader]) -> Round:
    """Measure in all states, in any order."""
    measured: dict[str, float] = {}
    for state in measurement.dice.sample(STATES, len(STATES)):
        with _redis(measurement, state):
            measured |= _rates(measurement, readers, state)
    measurement.say("  " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(measured.items())))
    return measured


@contextmanager
def _redis(measurement: Measurement, state: str) -> Iterator[None]:
    """Keep Redis in a state inside the block."""
    valkey = measurement.stores.valkey
    if state == "up":
        yield
    elif state == "frozen":
        with valkey.frozen():
            yield
    else:
        valkey.kill()
        try:
            yield
        finally:
            valkey.start()


def _rates(measurement: Measurement, readers: dict[int, Reader], state: str) -> dict[str, float]:
    readers[1].rate(SETTLING_SECONDS)
    return {
        series(state, connections): reader.rate(measurement.plan.seconds) for connections, reader in readers.items()
    }


def _walk_while_killed(measurement: Measurement, reader: Reader) -> dict[str, float]:
    with _redis(measurement, "killed"):
        reader.rate(SETTLING_SECONDS)
        with measurement.stores.counting_statements() as statements:
            reader.answers(COUNTED_REQUESTS)
    return {"sql": statements.total() / COUNTED_REQUESTS}
