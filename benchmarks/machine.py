"""What measured, and what was measured: the machine and the versions."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import psycopg
from redis import Redis

PACKAGES = (
    "django", "djangorestframework", "granian", "redis", "hiredis", "django-redis", "psycopg", "orjson",
    "drf-extensions", "django-cacheops", "django-cachalot",
)  # fmt: skip


def describe(server_versions: dict[str, str]) -> dict[str, object]:
    """Return it all, with the servers' own versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "python": platform.python_version(),
            **server_versions,
            **{name: version(name) for name in PACKAGES},
        },
    }


def server_versions(database_url: str, valkey: Redis) -> dict[str, str]:
    """Return what PostgreSQL and Valkey say they are."""
    with psycopg.connect(database_url) as connection:
        postgresql: Any = connection.execute("SHOW server_version").fetchone()
    told: Any = valkey.info("server")
    return {"postgresql": postgresql[0], "valkey": told["valkey_version"]}


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
