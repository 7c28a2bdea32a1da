"""An authenticated hit of the list, beside the peers and the floors."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.load import Answer
from benchmarks.measurement import (
    CONNECTIONS,
    LIST,
    Findings,
    Measurement,
    Reader,
    body_of,
    compare,
    connections_text,
    memory_of,
    series,
    walk_of,
)
from benchmarks.peers import PEERS
from benchmarks.ratios import Comparison, Round
from benchmarks.servers import ALL_PEERS, BARE_VIEW, BARE_WSGI, GZIP_PEERS, OURS, Server, Subject, serving
from benchmarks.stores import Workload

PROCEDURES = 100
PATH = "hit of GET /procedures"
GZIP_PATH = "hit, gzip accepted"
GOALS_OF_THE_FLOOR = {1: 0.65, 8: 0.85, 64: 0.9}
GOALS = {
    "drf_extensions": 3.0,
    "cache_page": 10.0,
    "drf": 50.0,
    "cacheops_peer": 50.0,
    "cachalot_peer": 50.0,
}
GZIP_GOAL = 8.0


def measure(measurement: Measurement) -> Findings:
    """Measure everybody without content coding."""
    return _measure(measurement, [OURS, *ALL_PEERS], [BARE_VIEW, BARE_WSGI], {}, _comparisons)


def measure_gzip(measurement: Measurement) -> Findings:
    """Measure everybody who compresses."""
    return _measure(measurement, [OURS, *GZIP_PEERS], [], {"Accept-Encoding": "gzip"}, _gzip_comparisons)


def _measure(
    measurement: Measurement,
    subjects: Sequence[Subject],
    floors: Sequence[Subject],
    headers: Mapping[str, str],
    comparisons: Callable[[Sequence[Round]], list[Comparison]],
) -> Findings:
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    with ExitStack() as stack:
        serve = partial(serving, folder=measurement.folder, path=LIST, token=token)
        servers = stack.enter_context(serve(subjects, environment=workload.environment))
        ours = body_of(servers["ours"], token)
        body_file = measurement.folder / "body"
        body_file.write_bytes(ours.body)
        bare_environment = workload.environment | {"BODY_FILE": str(body_file)}
        servers |= stack.enter_context(serve(floors, environment=bare_environment))
        findings = Findings(facts={"body_bytes": len(ours.body), "equal": _equality(servers, token, ours)})
        findings.rounds["rates"] = _rates(measurement, servers, workload, headers, ours.digest)
        findings.comparisons = comparisons(findings.rounds["rates"])
        findings.facts |= {
            "per_request": _walks(measurement, servers, token, headers),
            "memory": {name: memory_of(server) for name, server in servers.items()},
        }
        return findings


def _rates(
    measurement: Measurement, servers: Mapping[str, Server], workload: Workload, headers: Mapping[str, str], digest: str
) -> list[dict[str, float]]:
    measures = {}
    for name, server in servers.items():
        for connections in CONNECTIONS:
            reader = Reader(server, workload.tokens["viewer"], connections, headers=headers, digest=digest)
            measures[series(name, connections)] = partial(reader.rate, measurement.plan.seconds)
    return measurement.alternate(measures)


def _equality(servers: Mapping[str, Server], token: str, ours: Answer) -> dict[str, str]:
    """Tell for each server whether its body equals ours to the byte, or only as JSON."""
    found = {}
    for name, server in servers.items():
        content = body_of(server, token).content
        is_same_json = json.loads(content) == json.loads(ours.content)
        found[name] = "bytes" if content == ours.content else "json" if is_same_json else "different"
    return found


def _walks(
    measurement: Measurement, servers: Mapping[str, Server], token: str, headers: Mapping[str, str]
) -> dict[str, object]:
    return {
        name: walk_of(measurement.stores, Reader(server, token, headers=headers)) for name, server in servers.items()
    }


def _comparisons(rounds: Sequence[Round]) -> list[Comparison]:
    return [
        compare(
            rounds,
            series("ours", connections),
            series(name, connections),
            path=PATH,
            conditions=connections_text(connections),
            goal=GOALS_OF_THE_FLOOR[connections] if name == BARE_VIEW.name else GOALS.get(name),
        )
        for name in ("bare_view", "bare_wsgi", *PEERS)
        for connections in CONNECTIONS
    ]


def _gzip_comparisons(rounds: Sequence[Round]) -> list[Comparison]:
    return [
        compare(
            rounds,
            series("ours", connections),
            series(name, connections),
            path=GZIP_PATH,
            conditions=connections_text(connections),
            goal=GZIP_GOAL,
        )
        for name in PEERS
        for connections in CONNECTIONS
    ]
