"""What `docker-compose.yml` and the Dockerfile say of each other and of the files that they use; Docker is not run."""

import re
from typing import Any

import pytest
import yaml

from tests import PROJECT_DIR

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (PROJECT_DIR / "Dockerfile").read_text(encoding="utf-8")
GRAFANA = PROJECT_DIR / "deploy" / "grafana" / "provisioning"
MADE_BY_THE_OPERATOR = {"./tls"}

each_service = pytest.mark.parametrize("name", COMPOSE["services"])


@each_service
def test_every_image_is_pinned_by_its_digest(name: str) -> None:
    service = COMPOSE["services"][name]
    images = [service["image"]] if "image" in service else re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert images
    assert [image for image in images if not re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)] == []


@each_service
def test_what_a_service_mounts_from_here_exists(name: str) -> None:
    mounts = [mount.split(":")[0] for mount in COMPOSE["services"][name].get("volumes", [])]
    files = {mount for mount in mounts if mount.startswith("./")} - MADE_BY_THE_OPERATOR

    assert [file for file in files if not (PROJECT_DIR / file).exists()] == []


@each_service
def test_after_a_reboot_everything_runs_again_but_the_migrations(name: str) -> None:
    assert COMPOSE["services"][name]["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")


def test_every_variable_is_one_that_the_service_reads() -> None:
    explained = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    own = {*COMPOSE["x-web"]["environment"]} - {"PGPASSWORD"}  # libpq reads it

    assert [name for name in own if not re.search(rf"^(# )?{name}=", explained, re.MULTILINE)] == []


def test_the_address_of_the_proxy_is_trusted() -> None:
    (network,) = COMPOSE["networks"]["front"]["ipam"]["config"]

    assert COMPOSE["x-web"]["environment"]["TRUSTED_PROXIES"] == network["subnet"]
    assert COMPOSE["services"]["proxy"]["networks"] == ["front"]


def test_grafana_finds_its_dashboards_and_prometheus_where_compose_puts_them() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "dashboards" / "procedures.yml").read_text(encoding="utf-8"))["providers"]
    (source,) = yaml.safe_load((GRAFANA / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    mounted = [mount.split(":")[1] for mount in COMPOSE["services"]["grafana"]["volumes"]]

    assert provider["options"]["path"] in mounted
    assert source["url"] == "http://prometheus:9090"
    assert set(COMPOSE["services"]["grafana"]["networks"]) & set(COMPOSE["services"]["prometheus"]["networks"])
