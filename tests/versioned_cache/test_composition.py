"""A body that is made of items: equal to the joined items, whatever came before, and sharing what has not changed."""

import gzip
import random
import shutil
import subprocess
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.workload import definitions
from rest import exact_json
from tests.factories import unhurried
from versioned_cache import composition as composition_module
from versioned_cache import gzip_form
from versioned_cache.composition import NO_VERSION, Composition, item_of
from versioned_cache.keys import ResourceKind

KIND = ResourceKind("page", key="pages:{name}")
EMPTY = Composition(KIND, (), ())
LONG = {f"page-{number:03}": exact_json.dumps(body) for number, body in enumerate(definitions(600, steps=10))}
GUNZIP_IN_NODE = "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(0)))"
Bodies = dict[str, tuple[int, bytes]]
"""The version and the body of each item, by identifier, in their order."""


def after(earlier: Composition, bodies: Bodies) -> Composition:
    """Return the composition of some items, made with no more bodies than are missing in the earlier one."""
    items = [earlier.item(name, version) or item_of(name, version, body) for name, (version, body) in bodies.items()]
    missing = {name: body for name, (version, body) in bodies.items() if not earlier.item(name, version)}
    return earlier.followed_by(items, missing)


def joined(bodies: Bodies) -> bytes:
    """Return what the body must be."""
    return b"[" + b",".join(body for _, body in bodies.values()) + b"]"


def first_versions(bodies: dict[str, bytes]) -> Bodies:
    return {name: (1, body) for name, body in bodies.items()}


@pytest.fixture
def compressions(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The blocks that were compressed."""
    blocks: list[bytes] = []
    compress = gzip_form.compressed_block

    def count(block: bytes, previous: bytes) -> bytes:
        blocks.append(block)
        return compress(block, previous)

    monkeypatch.setattr(gzip_form, "compressed_block", count)
    return blocks


sizes = st.integers(0, 300)
changes = st.lists(st.dictionaries(st.integers(0, 30), sizes, max_size=12), min_size=1, max_size=6)


@unhurried
@given(changes, st.integers(1, 200), st.integers(1, 400), st.booleans(), st.randoms(use_true_random=False))
def test_it_is_the_joined_items_whatever_came_before(
    changes: Sequence[dict[int, int]], least: int, whole: int, is_gzipped: bool, chance: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition_module, "LEAST_BLOCK_BYTES", least)
        patch.setattr(composition_module, "MOST_BLOCK_BYTES", 4 * least)
        patch.setattr(composition_module, "WHOLE_BYTES", whole)
        bodies: Bodies = {}
        composition = EMPTY
        for version, change in enumerate(changes, start=1):
            for number, size in change.items():  # of no size: it is taken away
                bodies.pop(f"page-{number}", None)
                if size:
                    bodies[f"page-{number}"] = (version, bytes(chance.choices(b"abcd", k=size)))
            bodies = dict(sorted(bodies.items()))
            composition = after(composition, bodies)

            assert bytes(composition) == b"".join(composition.segments) == joined(bodies)
            assert len(composition) == len(joined(bodies))
            assert [item.identifier for item in composition.items] == list(bodies)
            if is_gzipped or version == len(changes):
                assert gzip.decompress(bytes(composition.gzipped)) == joined(bodies)
                assert len(composition.gzipped) == len(bytes(composition.gzipped))
            for name, (held, body) in bodies.items():
                item = composition.item(name, held)
                assert item is not None
                assert composition.body_of(item) == body
                assert composition.item(name, held + 1) is None


def test_an_item_without_a_version_is_never_found() -> None:
    composition = after(EMPTY, {"a": (NO_VERSION, b"1")})

    assert composition.item("a", NO_VERSION) is None
    assert bytes(composition) == b"[1]"


def test_nothing_is_an_empty_list() -> None:
    assert bytes(EMPTY) == b"".join(EMPTY.segments) == gzip.decompress(bytes(EMPTY.gzipped)) == b"[]"


@pytest.mark.parametrize("name", ["page-000", "page-300", "page-599", "page-3001", "zzz"])
@pytest.mark.parametrize("body", [b"{}", b"x" * 3_000, b"y" * 500_000])
def test_what_one_change_does_not_touch_is_shared(compressions: list[bytes], name: str, body: bytes) -> None:
    bodies = first_versions(LONG)
    composition = after(EMPTY, bodies)
    bytes(composition.gzipped)
    compressions.clear()

    changed = after(composition, dict(sorted((bodies | {name: (2, body)}).items())))
    bytes(changed.gzipped)

    shared = {id(segment) for segment in composition.segments}
    new = [segment for segment in changed.segments if id(segment) not in shared]
    assert len(composition.segments) > 20
    assert 1 <= len(new) <= 4
    assert 1 <= len(compressions) <= 5  # the block behind a new one is compressed again, too


def test_the_gzip_form_in_blocks_is_nearly_as_short_as_the_whole_at_once() -> None:
    composition = after(EMPTY, first_versions(LONG))

    assert len(composition.gzipped) <= 1.05 * len(gzip_form.compressed(bytes(composition)))


@pytest.mark.parametrize("command", [["gzip", "-dc"], ["node", "-e", GUNZIP_IN_NODE]], ids=["gzip", "node"])
def test_other_readers_of_gzip_take_a_form_of_old_and_new_blocks(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    bodies = first_versions(LONG)
    composition = after(EMPTY, bodies)
    bytes(composition.gzipped)

    changed = after(composition, bodies | {"page-300": (2, b"{}")})

    decompressed = subprocess.run(command, input=bytes(changed.gzipped), capture_output=True, check=True).stdout
    assert decompressed == bytes(changed)


def test_its_memory_is_counted_with_its_gzip_form() -> None:
    composition = after(EMPTY, first_versions(LONG))
    before = composition.held_bytes

    form = composition.gzipped
    with_gzip = composition.held_bytes
    composition.forget_gzipped()

    assert before == composition.held_bytes == len(composition)
    assert 0 < with_gzip - before <= len(form)
    assert composition.known_gzipped is None


def test_a_short_one_is_sent_in_one_piece() -> None:
    composition = after(EMPTY, first_versions(dict(list(LONG.items())[:40])))

    assert len(composition.segments) == len(composition.gzipped.segments) == 1
    assert composition.held_bytes >= 2 * len(composition)
