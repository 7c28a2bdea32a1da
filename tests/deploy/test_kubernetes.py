"""The manifests of `deploy/kubernetes`, as kustomize builds them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import PROJECT_DIR

KUBECTL = shutil.which("kubectl")
VALIDATE = Path(sys.executable).parent / "kubernetes-validate"
OVERLAY = PROJECT_DIR / "deploy" / "kubernetes" / "overlays" / "example"
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@pytest.fixture(scope="module")
def built() -> bytes:
    """What kustomize builds."""
    return subprocess.run([str(KUBECTL), "kustomize", str(OVERLAY)], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def manifests(built: bytes) -> dict[str, dict[str, Any]]:
    """What kustomize builds, by kind."""
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(built)}


@pytest.fixture
def pods(manifests: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The specification of each pod."""
    cron = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    return [part["template"]["spec"] for part in (manifests["Deployment"]["spec"], manifests["Job"]["spec"], cron)]


def test_what_is_built_fits_the_schemas_of_kubernetes(built: bytes, tmp_path: Path) -> None:
    file = tmp_path / "built.yaml"
    file.write_bytes(built)

    validated = subprocess.run([VALIDATE, "--strict", "--quiet", file], capture_output=True, text=True, check=False)

    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_no_pod_may_do_more_than_the_restricted_standard_allows(pods: list[dict[str, Any]]) -> None:
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001  # as in the Dockerfile
        for container in pod["containers"]:
            limits = container["securityContext"]
            assert limits["readOnlyRootFilesystem"] is True
            assert limits["allowPrivilegeEscalation"] is False
            assert limits["capabilities"] == {"drop": ["ALL"]}


def test_the_probes_ask_the_gate(manifests: dict[str, dict[str, Any]]) -> None:
    (container,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}

    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_the_grace_period_has_room_for_the_drain(manifests: dict[str, dict[str, Any]]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    waiting = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    draining = int(manifests["ConfigMap"]["data"]["SERVE_DRAIN_SECONDS"])

    assert waiting + draining + 10 <= pod["terminationGracePeriodSeconds"]


def test_every_variable_is_one_that_the_service_reads(manifests: dict[str, dict[str, Any]]) -> None:
    explained = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")

    assert [name for name in manifests["ConfigMap"]["data"] if f"{name}=" not in explained] == []


def test_a_changed_setting_replaces_the_pods(manifests: dict[str, dict[str, Any]], pods: list[dict[str, Any]]) -> None:
    name = manifests["ConfigMap"]["metadata"]["name"]

    assert name != "procedures"
    assert all({"configMapRef": {"name": name}} in pod["containers"][0]["envFrom"] for pod in pods)
