"""Make the schema and what is watched, and print a viewer's token; a process of its own."""

import sys

from benchmarks.scorecard.player import KEY, tag_of
from tests.people import migrate_and_make_people


def main() -> None:
    """Migrate, load, and print."""
    tokens = migrate_and_make_people()
    from tests import factories  # noqa: PLC0415  # its models need settings

    factories.publish(factories.body(KEY, tags=[tag_of(0)]))
    sys.stdout.write(tokens["viewer"])


if __name__ == "__main__":
    main()
