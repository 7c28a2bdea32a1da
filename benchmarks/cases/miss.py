"""A miss: what it takes to build the list, in process, against DRF's model serializers over prefetched rows."""

import json

from benchmarks.cases.hit import PROCEDURES
from benchmarks.measurement import Findings, Measurement, compare
from tests.processes import run_python

GOAL = 5.0


def measure(measurement: Measurement) -> Findings:
    """Measure in a process of its own, which has the service's settings."""
    workload = measurement.stores.workload(PROCEDURES)
    extent = ("--rounds", str(measurement.plan.rounds), "--builds", "3" if measurement.plan.is_quick else "11")
    rounds = json.loads(run_python("benchmarks.builds", *extent, environment=workload.environment))
    line = compare(
        rounds, "model serializer", "ours", path="miss: seconds to build the list", conditions="in process", goal=GOAL
    )
    return Findings({"seconds": rounds}, [line])
