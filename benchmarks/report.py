"""The measurement as files: everything as JSON, the lines beside their goals as a Markdown table."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measurement import Findings
from benchmarks.ratios import Comparison, Ratio, median_of

MEBIBYTE = 1 << 20
DISPLAY = {
    "drf": "plain DRF",
    "drf_extensions": "drf-extensions",
    "cacheops_peer": "cacheops",
    "cachalot_peer": "cachalot",
    "incr": "INCR by hand",
    "bare_view": "bare view",
    "bare_wsgi": "bare WSGI",
}
CONNECTIONS = re.compile(r" x\d+$")  # which a line's conditions tell already


def write_json(path: Path, machine: Mapping[str, Any], plan: Mapping[str, Any], cases: Mapping[str, Findings]) -> None:
    """Write everything, every round included."""
    content = {
        "machine": machine,
        "plan": plan,
        "cases": {name: _case(findings) for name, findings in cases.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def markdown(machine: Mapping[str, Any], plan: Mapping[str, Any], cases: Mapping[str, Findings]) -> str:
    """Return the tables."""
    return "\n".join([*_preamble(machine, plan), "", *_ratios(cases), "", *_costs(cases), ""])


def _case(findings: Findings) -> dict[str, Any]:
    comparisons = [asdict(line) | {"is_met": line.is_met} for line in findings.comparisons]
    return {"comparisons": comparisons, "facts": findings.facts, "rounds": findings.rounds}


def _preamble(machine: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[str]:
    memory = machine["memory_bytes"] / (1 << 30)
    yield (
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {memory:.0f} GiB, shared by the"
        " servers, the stores and the load client; load average"
        f" {machine['load_average_at_start']:.1f} at the start. Rounds: {plan['rounds']} of {plan['seconds']:g} s."
        " Each ratio is the median of the rounds' own ratios, with its quartiles."
    )
    yield ""
    yield ", ".join(f"{name} {number}" for name, number in machine["versions"].items()) + "."


def _ratios(cases: Mapping[str, Findings]) -> Iterator[str]:
    yield "| path | conditions | ratio of | median | quartiles | goal | met |"
    yield "|---|---|---|---|---|---|---|"
    for findings in cases.values():
        for line in findings.comparisons:
            yield (
                f"| {line.path} | {line.conditions} | {ratio_text(line)} | {line.ratio.median:.2f}"
                f" | {_quartiles(line.ratio)} | {goal_text(line)} | {_met_text(line)} |"
            )


def _costs(cases: Mapping[str, Findings]) -> Iterator[str]:
    """Yield what each subject of a case cost, where the case has asked."""
    for name, findings in cases.items():
        walks: dict[str, Any] = findings.facts.get("per_request") or findings.facts.get("per_commit") or {}
        memory: dict[str, Any] = findings.facts.get("memory", {})
        if not walks:
            continue
        yield f"| {name} | answers a second | SQL statements | Redis commands | memory of a worker (PSS) | body |"
        yield "|---|---|---|---|---|---|"
        for subject, walk in walks.items():
            yield (
                f"| {_shown(subject)} | {_rates(findings, subject)} | {walk['sql']:.2f} | {_commands(walk)}"
                f" | {_memory(memory.get(subject))} | {findings.facts.get('equal', {}).get(subject, '')} |"
            )
        yield ""


def ratio_text(line: Comparison) -> str:
    """Return what is above and below the line, as people call it."""
    return " / ".join(_shown(CONNECTIONS.sub("", name)) for name in (line.subject, line.reference))


def _shown(name: str) -> str:
    return DISPLAY.get(name, name)


def _quartiles(ratio: Ratio) -> str:
    return f"{ratio.lower:.2f} to {ratio.upper:.2f}"


def goal_text(line: Comparison) -> str:
    """Return a goal as people write it."""
    if line.goal is None:
        return ""
    return f"{'≤' if line.is_limit else '≥'} {line.goal:g}"


def _met_text(line: Comparison) -> str:
    return {None: "", True: "yes", False: "**no**"}[line.is_met]


def _rates(findings: Findings, subject: str) -> str:
    rounds = findings.rounds.get("rates", [])
    names = [name for name in (rounds[0] if rounds else {}) if name.startswith(f"{subject} x")]
    return ", ".join(f"{median_of(rounds, name):.0f} ({name.removeprefix(subject).strip()})" for name in names)


def _commands(walk: Mapping[str, Any]) -> str:
    if "redis" not in walk:
        return ""
    named = ", ".join(f"{name} {count:.2f}" for name, count in walk["commands"].items())
    return f"{walk['redis']:.2f}" + (f" ({named})" if named else "")


def _memory(workers: list[dict[str, int]] | None) -> str:
    return ", ".join(f"{worker['pss'] / MEBIBYTE:.0f} MiB" for worker in workers or [])
