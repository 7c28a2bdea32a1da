"""The alerts of `deploy/prometheus`: promtool tries them, each has a playbook, and all that they ask for is counted."""

import json
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import PROJECT_DIR

PROMTOOL = shutil.which("promtool")
RULES = PROJECT_DIR / "deploy" / "prometheus" / "rules"
GRAFANA = PROJECT_DIR / "deploy" / "grafana"
OPERATIONS = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
PLAYBOOKS = (PROJECT_DIR / "docs" / "operations" / "playbooks.md").read_text(encoding="utf-8")
EXPLAINED = set(re.findall(r"^\| `((?:backend|django)_\w+)` \|", OPERATIONS, re.MULTILINE))
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

SERIES = re.compile(r"(?<![\w:])((?:backend|django)_[a-z_]+)")
PARTS = re.compile(r"_(?:bucket|sum|count)$")


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / file).read_text(encoding="utf-8"))["groups"]
    return list(chain.from_iterable(group["rules"] for group in groups))


def unit_tests(file: str) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = yaml.safe_load((RULES / "tests" / file).read_text(encoding="utf-8"))["tests"]
    return tests


def series_in(text: str) -> set[str]:
    return set(SERIES.findall(text))


ALERTS = rules("alerts.yml")
RECORDED = {rule["record"]: rule["expr"] for rule in rules("recording.yml")}
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def series_of(alert: dict[str, Any]) -> set[str]:
    """Return the series that an alert is made of, through the recording rules."""
    found = series_in(alert["expr"])
    for name, expression in RECORDED.items():
        if name in alert["expr"]:
            found |= series_in(expression) | series_in(
                " ".join(RECORDED[other] for other in RECORDED if other in expression)
            )
    return found


@needs_promtool
def test_the_alerts_fire_and_rest_as_promtool_expects() -> None:
    files = sorted((RULES / "tests").glob("*.yml"))

    checked = subprocess.run([str(PROMTOOL), "test", "rules", *files], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_is_tried_with_its_fault() -> None:
    tests = [*unit_tests("faults.yml"), *unit_tests("faults_of_days.yml")]
    tried = [test["name"] for test in tests]

    assert sorted(tried) == sorted(alert["alert"] for alert in ALERTS)
    for test in tests:
        expected = [sample["labels"] for sample in test["promql_expr_test"][0]["exp_samples"]]
        assert f'{{alertname="{test["name"]}"}}' in expected


@each_alert
def test_the_ordinary_hour_has_what_an_alert_looks_at(alert: dict[str, Any]) -> None:
    fed = {
        match
        for test in unit_tests("ordinary.yml")
        for line in test["input_series"]
        for match in series_in(line["series"])
    }

    assert series_of(alert) - fed == set()


@each_alert
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/operations/playbooks.md#{alert['alert'].lower()}"


def test_each_alert_has_a_playbook_and_each_playbook_an_alert() -> None:
    assert re.findall(r"^## (\w+)$", PLAYBOOKS, re.MULTILINE) == [alert["alert"] for alert in ALERTS]
    for playbook in PLAYBOOKS.split("\n## ")[1:]:
        assert "**Means**" in playbook
        assert "**Do**" in playbook or "**do**" in playbook


def test_what_is_silent_beside_another_alert_is_one_and_so_is_the_other() -> None:
    inhibiting = yaml.safe_load((RULES.parent / "alertmanager.yml").read_text(encoding="utf-8"))["inhibit_rules"]
    names = {alert["alert"] for alert in ALERTS}

    for rule in inhibiting:
        source, targets = (
            re.fullmatch(r"alertname =~? ([\w|]+)", matcher)
            for (matcher,) in (rule["source_matchers"], rule["target_matchers"])
        )
        assert source
        assert targets
        assert source[1] in names
        assert set(targets[1].split("|")) <= names - {source[1]}


def test_every_series_that_is_asked_for_is_explained() -> None:
    asked = set().union(*map(series_of, ALERTS), *map(series_in, RECORDED.values()), series_in(PLAYBOOKS))

    assert {PARTS.sub("", name) if name not in EXPLAINED else name for name in asked} - EXPLAINED == set()


@pytest.mark.parametrize("dashboard", sorted(GRAFANA.glob("dashboards/*.json")), ids=lambda path: path.stem)
def test_each_panel_of_a_dashboard_has_a_number_and_a_place_of_its_own(dashboard: Path) -> None:
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    places = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert {x for x, _ in places} <= set(range(24))  # columns of Grafana's grid


def test_dashboards_ask_for_what_is_explained_and_name_the_provisioned_source() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))

    for dashboard in GRAFANA.glob("dashboards/*.json"):
        panels = [panel for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"] if "targets" in panel]
        asked = {name for panel in panels for target in panel["targets"] for name in series_in(target["expr"])}
        assert panels
        assert {PARTS.sub("", name) if name not in EXPLAINED else name for name in asked} - EXPLAINED == set()
        assert {panel["datasource"]["uid"] for panel in panels} == {source["datasources"][0]["uid"]}
