"""More procedures, longer histories, more clients, more workers: hits of the service, and who keeps up."""

from contextlib import ExitStack
from functools import partial

from benchmarks.histories import Operator
from benchmarks.load import Connection
from benchmarks.measurement import (
    LIST,
    Findings,
    Measurement,
    Reader,
    body_of,
    compare,
    connections_text,
    memory_of,
    series,
)
from benchmarks.ratios import Comparison
from benchmarks.servers import BARE_VIEW, OURS, Server, Subject, peer, serving
from benchmarks.stores import Workload
from procedures_project.embedded import HOST

PROCEDURES = (10, 100, 1000)
WORKERS = (1, 2)
CLIENTS = (1, 2, 4, 8)
EVENTS = (10, 1000)
RIVALS = (peer("drf"), peer("drf_extensions"))
ROUNDS = 3  # of so many combinations that more would take an hour


def measure(measurement: Measurement) -> Findings:
    """Measure the list at each size, then runs."""
    findings = Findings()
    sizes, workers = (PROCEDURES[:1], WORKERS[:1]) if measurement.plan.is_quick else (PROCEDURES, WORKERS)
    for procedures in sizes:
        for count in workers:
            _measure_list(measurement, findings, procedures, count)
    _measure_runs(measurement, findings)
    return findings


def _measure_list(measurement: Measurement, findings: Findings, procedures: int, workers: int) -> None:
    workload = measurement.stores.workload(procedures)
    token = workload.tokens["viewer"]
    clients = (1, 8) if measurement.plan.is_quick else CLIENTS
    name = f"{procedures} procedures, {workers} worker{'s' * (workers > 1)}"
    measurement.say(f"  {name}")
    with ExitStack() as stack:
        serve = partial(serving, folder=measurement.folder, path=LIST, token=token, workers=workers)
        servers = stack.enter_context(serve([OURS, *RIVALS], environment=workload.environment))
        servers |= stack.enter_context(serve([_bare(measurement, servers["ours"], token, LIST)], environment={}))
        digest = body_of(servers["ours"], token).digest
        measures = {}
        for server_name, server in servers.items():
            for connections in clients:
                reader = Reader(server, token, connections, digest=digest)
                measures[series(server_name, connections)] = partial(reader.rate, measurement.plan.seconds)
        rounds = findings.rounds[name] = measurement.alternate(measures, min(ROUNDS, measurement.plan.rounds))
        findings.facts[name] = {"memory": {who: memory_of(server) for who, server in servers.items()}}
    findings.comparisons += [
        compare(
            rounds,
            series("ours", connections),
            series(rival, connections),
            path=name,
            conditions=connections_text(connections),
        )
        for rival in servers
        if rival != "ours"
        for connections in clients
    ]


def _measure_runs(measurement: Measurement, findings: Findings) -> None:
    workload = measurement.stores.workload(procedures=1, steps=200)
    with serving(
        [OURS], measurement.folder, workload.environment, path=LIST, token=workload.tokens["viewer"]
    ) as servers:
        for events in EVENTS[:1] if measurement.plan.is_quick else EVENTS:
            findings.comparisons += _measure_run(measurement, findings, servers["ours"], workload, events)


def _measure_run(
    measurement: Measurement, findings: Findings, ours: Server, workload: Workload, events: int
) -> list[Comparison]:
    with Connection(HOST, ours.port) as connection:
        path = f"/runs/{Operator(connection, workload.tokens['operator']).start_with(events)}"
    token = workload.tokens["viewer"]
    name = f"a run of {events} events"
    measurement.say(f"  {name}")
    bare = _bare(measurement, ours, token, path)
    with serving([bare], measurement.folder, {}, path=path, token=token) as floors:
        readers = {who: Reader(server, token, 8, path=path) for who, server in {"ours": ours, **floors}.items()}
        measures = {series(who, 8): partial(reader.rate, measurement.plan.seconds) for who, reader in readers.items()}
        rounds = findings.rounds[name] = measurement.alternate(measures)
    return [compare(rounds, "ours x8", "bare_view x8", path=name, conditions=connections_text(8))]


def _bare(measurement: Measurement, ours: Server, token: str, path: str) -> Subject:
    """Return a bare view that answers what the service answers."""
    body_file = measurement.folder / f"body-{path.replace('/', '-')}"
    body_file.write_bytes(body_of(ours, token, path).body)
    return Subject(BARE_VIEW.name, BARE_VIEW.application, {"BODY_FILE": str(body_file)})
