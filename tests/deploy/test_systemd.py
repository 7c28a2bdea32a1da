"""The units of `deploy/systemd`, as systemd reads them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import PROJECT_DIR

ANALYZE = shutil.which("systemd-analyze")
UNITS = PROJECT_DIR / "deploy" / "systemd"
pytestmark = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")

MOST_EXPOSURE = 20  # of 100, of `systemd-analyze security`


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with an interpreter that exists here."""
    copies = []
    for unit in sorted(UNITS.iterdir()):
        text = unit.read_text(encoding="utf-8").replace("/opt/procedures/.venv/bin/python", sys.executable)
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(text, encoding="utf-8")
    return copies


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ANALYZE), *[str(argument) for argument in arguments]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_understands_every_line(units: list[Path]) -> None:
    found = analyze("verify", "--man=no", *units)

    assert [line for line in found.stderr.splitlines() if "procedures" in line] == []
    assert units


def test_the_service_can_reach_little_of_its_host(units: list[Path]) -> None:
    service = next(unit for unit in units if unit.name == "procedures.service")

    found = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSURE}", service)

    assert found.returncode == 0, found.stdout
