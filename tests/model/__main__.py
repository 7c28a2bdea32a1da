"""Print what holds and what breaks: `python -m tests.model [-v] [--large]`."""

import argparse
import time

from tests.model.cases import (
    BROKEN,
    CASES,
    CLOCK_STEP_WITHIN_THE_LEASE,
    FELT,
    HEALTHY,
    IMPLEMENTED,
    LARGE,
    Case,
)
from tests.model.checker import explore


def main() -> None:
    """Check every case and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="print the shortest schedule of each violation")
    parser.add_argument("--large", action="store_true", help="also explore larger worlds; takes minutes")
    options = parser.parse_args()
    for case in _cases(is_large=options.large):
        _print(case, is_verbose=options.verbose)


def _cases(*, is_large: bool) -> list[Case]:
    larger = LARGE if is_large else ()
    return [
        *(Case("as implemented", IMPLEMENTED, scenario) for scenario in (*HEALTHY, *BROKEN, *larger)),
        Case("as implemented", IMPLEMENTED, CLOCK_STEP_WITHIN_THE_LEASE),
        *FELT,
        *CASES,
    ]


def _print(case: Case, *, is_verbose: bool) -> None:
    started = time.process_time()
    result = explore(case.protocol, case.scenario)
    seconds = time.process_time() - started
    checked = ", ".join(sorted(one.name for one in case.scenario.properties))
    verdict = f"BREAKS {result.broken.name}" if result.broken else f"holds: {checked}"
    print(f"{case.name:40} {case.scenario.name:48} {result.states:>9,} {seconds:6.1f} s  {verdict}", flush=True)  # noqa: T201
    if is_verbose:
        for number, line in enumerate(result.schedule, 1):
            print(f"    {number:2}  {line}")  # noqa: T201


if __name__ == "__main__":
    main()
