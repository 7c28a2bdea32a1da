"""A 304 against the full answer."""

from functools import partial

from benchmarks.cases.hit import PROCEDURES
from benchmarks.measurement import (
    CONNECTIONS,
    LIST,
    Findings,
    Measurement,
    Reader,
    body_of,
    compare,
    connections_text,
    series,
    walk_of,
)
from benchmarks.servers import OURS, serving

GOAL = 1.2


def measure(measurement: Measurement) -> Findings:
    """Measure both over the same connections' numbers."""
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    with serving([OURS], measurement.folder, workload.environment, path=LIST, token=token) as servers:
        ours = servers["ours"]
        held = {"If-None-Match": body_of(ours, token).headers["etag"]}
        findings = Findings()
        measures = {}
        for connections in CONNECTIONS:
            full = Reader(ours, token, connections)
            empty = Reader(ours, token, connections, headers=held, status=304)
            measures[series("full", connections)] = partial(full.rate, measurement.plan.seconds)
            measures[series("304", connections)] = partial(empty.rate, measurement.plan.seconds)
        rounds = findings.rounds["rates"] = measurement.alternate(measures)
        walk = walk_of(measurement.stores, Reader(ours, token, headers=held, status=304))
        findings.facts["per_request"] = {"304": walk}
    findings.comparisons = [
        compare(
            rounds,
            series("304", connections),
            series("full", connections),
            path="304 against the full answer",
            conditions=connections_text(connections),
            goal=None if connections == 1 else GOAL,
        )
        for connections in CONNECTIONS
    ]
    return findings
