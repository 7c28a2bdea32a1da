"""Redis down against Redis up: frozen, so that calls hang, and killed, so that they are refused."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.cases.hit import PROCEDURES
from benchmarks.measurement import (
    CONNECTIONS,
    LIST,
    Findings,
    Measurement,
    Reader,
    compare,
    connections_text,
    reading,
    series,
    walk_of,
)
from benchmarks.ratios import Round
from benchmarks.servers import OURS, serving

GOAL = 0.5
STATES = ("up", "frozen", "killed")
SETTLING_SECONDS = 1.5  # longer than the circuit breaker stays open, so that it has noticed either way


def measure(measurement: Measurement) -> Findings:
    """Measure each state once a round."""
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    with (
        serving([OURS], measurement.folder, workload.environment, path=LIST, token=token) as servers,
        ExitStack() as stack,
    ):
        readers = {
            connections: stack.enter_context(reading(servers["ours"], token, connections))
            for connections in CONNECTIONS
        }
        findings = Findings()
        rounds = findings.rounds["rates"] = [_round(measurement, readers) for _ in range(measurement.plan.rounds)]
        findings.facts["per_request"] = {"ours, Redis killed": _walk_while_killed(measurement, readers[1])}
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
    """Measure in all states, the ones in which it is down in any order."""
    measured = {}
    rates: dict[str, Callable[[], dict[str, float]]] = {
        state: lambda state=state: _rates(measurement, readers, state)  # type: ignore[misc]
        for state in measurement.dice.sample(STATES, len(STATES))
    }
    valkey = measurement.stores.valkey
    for state, rate in rates.items():
        if state == "up":
            measured |= rate()
        elif state == "frozen":
            with valkey.frozen():
                measured |= rate()
        else:
            valkey.kill()
            measured |= rate()
            valkey.start()
    measurement.say("  " + ", ".join(f"{name} {value:.4g}" for name, value in measured.items()))
    return measured


def _rates(measurement: Measurement, readers: dict[int, Reader], state: str) -> dict[str, float]:
    for _ in range(2):  # the first waits until it is noticed, the second for the calls that were under way
        readers[1].rate(SETTLING_SECONDS / 2)
    return {
        series(state, connections): reader.rate(measurement.plan.seconds) for connections, reader in readers.items()
    }


def _walk_while_killed(measurement: Measurement, reader: Reader) -> dict[str, object]:
    valkey = measurement.stores.valkey
    with measurement.stores.counting_statements() as walk:
        valkey.kill()
        reader.rate(SETTLING_SECONDS)
        walk.statements.clear()
    return walk.per_request(1)


__all__ = ["measure", "time"]
