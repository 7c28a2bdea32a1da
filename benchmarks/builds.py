"""Build the list in both ways by turns, and print the seconds of each as JSON; a process of its own."""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable

import django


def main(argv: list[str]) -> None:
    """Compare, measure, and print."""
    options = _options(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
    django.setup()
    from rest_framework.renderers import JSONRenderer  # noqa: PLC0415  # these need django.setup()

    from benchmarks.peers.serializers import procedure_list  # noqa: PLC0415
    from procedures.caches import PROCEDURES  # noqa: PLC0415

    ways: dict[str, Callable[[], bytes]] = {
        "ours": PROCEDURES,
        "model serializer": lambda: JSONRenderer().render(procedure_list()),
    }
    bodies = {name: build() for name, build in ways.items()}  # which warms both up, too
    if bodies["ours"] != bodies["model serializer"]:
        raise ValueError("The two ways differ in what they build.")
    json.dump([_round(ways, options.builds) for _ in range(options.rounds)], sys.stdout)


def _round(ways: dict[str, Callable[[], bytes]], builds: int) -> dict[str, float]:
    """Return the seconds of a build in each way: the median of some, taken by turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(builds):
        for name in random.sample(list(ways), len(ways)):
            started = time.perf_counter()
            ways[name]()
            taken[name].append(time.perf_counter() - started)
    return {name: sorted(seconds)[len(seconds) // 2] for name, seconds in taken.items()}


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--builds", type=int, default=11, help="of each way in a round")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
