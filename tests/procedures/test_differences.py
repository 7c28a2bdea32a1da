"""What one revision of a procedure changes compared to another."""

import time
from collections.abc import Sequence
from itertools import combinations
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from procedures.definitions import Definition
from procedures.differences import Change, ChangeKind, changes_between
from procedures.serializers import ProcedureSerializer, definition_of
from rest import exact_json
from tests.factories import body, item, slot, step, unhurried


def definition(*steps: dict[str, Any], **members: Any) -> Definition:
    serializer = ProcedureSerializer(data=body(steps=list(steps) or None, **members))
    serializer.is_valid(raise_exception=True)
    return definition_of(serializer.validated_data)


def steps_named(keys: str) -> Definition:
    return definition(*(step(key) for key in keys))


def changed(subject: str, old: str | None, new: str | None) -> Change:
    return Change(ChangeKind.CHANGED, subject, old, new)


def test_equal_content_has_no_changes() -> None:
    assert changes_between(definition(), definition()) == []


def test_key_tags_and_change_note_are_not_content() -> None:
    new = definition(key="pcr", title="Gibson", tags=["lab"], change_note="Why")

    assert changes_between(definition(), new) == []


def test_members_of_the_revision_are_compared() -> None:
    old = definition(title="Old", description="", ordering="strict")
    new = definition(title="New", description="Text", ordering="any")

    assert changes_between(old, new) == [
        changed("title", "Old", "New"),
        changed("description", None, "Text"),
        changed("ordering", "strict", "any"),
    ]


def test_members_of_a_step_are_compared() -> None:
    old = definition(step(title="Weigh", caution="Hot", skippable=False, expected_duration_s=60))
    new = definition(step(title="Weigh it", role="author", skippable=True, expected_duration_s=90))

    assert changes_between(old, new) == [
        changed("step measure: title", "Weigh", "Weigh it"),
        changed("step measure: caution", "Hot", None),
        changed("step measure: role", None, "author"),
        changed("step measure: skippable", "no", "yes"),
        changed("step measure: expected_duration_s", "60", "90"),
    ]


def test_an_added_step_is_shown_whole() -> None:
    slots, items = [slot("mass", "decimal", unit="g")], [item("ppe")]
    new = definition(step("a"), step("weigh", instructions="Gently.", slots=slots, checklist=items))

    (change,) = changes_between(definition(step("a")), new)

    assert (change.kind, change.subject, change.old) == (ChangeKind.ADDED, "step weigh", None)
    assert change.new is not None
    assert change.new.splitlines() == [
        "place: 2",
        "title: Weigh",
        "instructions: Gently.",
        "skippable: no",
        "slot mass: label Mass, type decimal, required yes, unit g",
        "checklist item ppe: label Ppe, required yes",
    ]


def test_a_removed_step_is_shown_whole() -> None:
    (change,) = changes_between(steps_named("ab"), steps_named("b"))

    assert change == Change(ChangeKind.REMOVED, "step a", "place: 1\ntitle: A\nskippable: no", None)


def test_a_step_with_another_key_is_another_step() -> None:
    changes = changes_between(steps_named("a"), steps_named("b"))

    assert [(change.kind, change.subject) for change in changes] == [
        (ChangeKind.REMOVED, "step a"),
        (ChangeKind.ADDED, "step b"),
    ]


def test_one_step_that_moves_leaves_the_others_where_they_are() -> None:
    assert changes_between(steps_named("abcdef"), steps_named("fabcde")) == [
        Change(ChangeKind.MOVED, "step f", "place 6", "place 1")
    ]


def test_a_step_that_moves_to_the_end_leaves_the_others_where_they_are() -> None:
    assert changes_between(steps_named("abcdef"), steps_named("bcdefa")) == [
        Change(ChangeKind.MOVED, "step a", "place 1", "place 6")
    ]


def test_steps_that_make_room_have_not_moved() -> None:
    changes = changes_between(steps_named("abc"), steps_named("xbc"))

    assert {change.kind for change in changes} == {ChangeKind.REMOVED, ChangeKind.ADDED}


def test_two_steps_that_swap_their_places_have_moved_and_the_one_between_has_not() -> None:
    assert changes_between(steps_named("abc"), steps_named("cba")) == [
        Change(ChangeKind.MOVED, "step c", "place 3", "place 1"),
        Change(ChangeKind.MOVED, "step a", "place 1", "place 3"),
    ]


def test_a_step_that_has_moved_to_a_place_of_the_same_number_is_placed_by_its_neighbour() -> None:
    changes = changes_between(steps_named("pqmabc"), steps_named("abmc"))

    (moved,) = (change for change in changes if change.kind is ChangeKind.MOVED)
    assert moved == Change(ChangeKind.MOVED, "step m", "after q", "after b")


@unhurried
@given(old=st.permutations("abcdef"), new=st.permutations("abcdefg"), kept=st.integers(1, 6))
def test_no_step_moves_from_a_place_to_the_same(old: list[str], new: list[str], kept: int) -> None:
    changes = changes_between(definition(*map(step, old[:kept])), definition(*map(step, new)))

    assert all(change.old != change.new for change in changes)


def test_a_step_can_move_and_change() -> None:
    changes = changes_between(steps_named("abc"), definition(step("c", title="Sea"), step("a"), step("b")))

    assert changes == [
        Change(ChangeKind.MOVED, "step c", "place 3", "place 1"),
        changed("step c: title", "C", "Sea"),
    ]


def test_slots_and_checklist_items_are_compared_member_by_member() -> None:
    old = definition(step(slots=[slot("mass", "decimal", min=1, unit="g")], checklist=[item("ppe")]))
    new = definition(step(slots=[slot("mass", "decimal", max=5, unit="mg")], checklist=[item("ppe", required=False)]))

    assert changes_between(old, new) == [
        changed("step measure, slot mass: unit", "g", "mg"),
        changed("step measure, slot mass: min", "1", None),
        changed("step measure, slot mass: max", None, "5"),
        changed("step measure, checklist item ppe: required", "yes", "no"),
    ]


def test_slots_are_added_removed_and_moved() -> None:
    old = definition(step(slots=[slot(key, "text") for key in "abce"]))
    new = definition(step(slots=[slot(key, "text") for key in "eacd"]))

    assert [(change.kind, change.subject) for change in changes_between(old, new)] == [
        (ChangeKind.REMOVED, "step measure, slot b"),
        (ChangeKind.MOVED, "step measure, slot e"),
        (ChangeKind.ADDED, "step measure, slot d"),
    ]


def test_options_are_shown_by_value_and_label() -> None:
    old = definition(step(slots=[slot("kit", "choice", options=[{"value": "a", "label": "Kit A"}])]))
    new = definition(
        step(slots=[slot("kit", "choice", options=[{"value": "a", "label": "Kit A"}, {"value": "b", "label": "B"}])])
    )

    assert changes_between(old, new) == [
        changed("step measure, slot kit: options", "value a, label Kit A", "value a, label Kit A; value b, label B")
    ]


def test_a_number_with_other_digits_is_a_change() -> None:
    old, new = (
        definition(step(slots=[slot("mass", "decimal", max=exact_json.loads(digits))])) for digits in ("12.5", "12.50")
    )

    assert changes_between(old, new) == [changed("step measure, slot mass: max", "12.5", "12.50")]


slots = st.builds(
    lambda key, unit, top: slot(key, "integer", unit=unit, max=top),
    st.sampled_from("mnop"),
    st.sampled_from(["g", "kg"]),
    st.integers(0, 2),
)
steps = st.builds(
    lambda key, title, slots: step(key, title=title, slots=slots),
    st.sampled_from("abcdef"),
    st.sampled_from(["One", "Two"]),
    st.lists(slots, max_size=3, unique_by=lambda found: found["key"]),
)
definitions = st.builds(
    lambda title, steps: definition(*steps, title=title),
    st.sampled_from(["Old", "New"]),
    st.lists(steps, min_size=1, max_size=5, unique_by=lambda found: found["key"]),
)


@unhurried
@given(old=definitions, new=definitions)
def test_there_are_changes_exactly_where_the_digests_differ(old: Definition, new: Definition) -> None:
    assert bool(changes_between(old, new)) is (old.content_sha256 != new.content_sha256)


@unhurried
@given(old=st.permutations("abcdefg"), new=st.permutations("abcdefg"))
def test_the_steps_that_have_not_moved_keep_their_order(old: list[str], new: list[str]) -> None:
    changes = changes_between(definition(*map(step, old)), definition(*map(step, new)))

    moved = {change.subject.removeprefix("step ") for change in changes}
    assert [key for key in old if key not in moved] == [key for key in new if key not in moved]


def of_plain_steps(keys: Sequence[str]) -> Definition:
    steps = [{"key": key, "title": key, "slots": [], "checklist": []} for key in keys]
    return Definition("many", [], "Many", "", "any", "", steps)


def seconds_for_moving(count: int) -> float:
    """Return the CPU seconds that it takes to tell how a random order of so many steps becomes another one."""
    keys = [f"s{number}" for number in range(count)]
    old, new = (of_plain_steps(Random(seed).sample(keys, count)) for seed in (1, 2))  # noqa: S311  # the same each time
    seconds = []
    for _ in range(3):
        started = time.process_time()
        changes_between(old, new)
        seconds.append(time.process_time() - started)
    return min(seconds)


def test_what_it_costs_to_find_the_steps_that_moved_does_not_grow_with_their_square() -> None:
    assert seconds_for_moving(3_200) < 24 * seconds_for_moving(400)  # 8 times the steps; squared, 64


@unhurried
@given(old=st.permutations("abcdef"), new=st.permutations("abcdefg"), kept=st.integers(1, 6))
def test_as_few_steps_move_as_can_be(old: list[str], new: list[str], kept: int) -> None:
    staying = [key for key in new if key in old[:kept]]
    changes = changes_between(of_plain_steps(old[:kept]), of_plain_steps(new))

    in_order = [
        chain
        for size in range(len(staying) + 1)
        for chain in combinations(staying, size)
        if list(chain) == sorted(chain, key=old.index)
    ]
    same_number = [sum(old.index(key) == new.index(key) for key in chain) for chain in in_order]
    longest, most = max((len(chain), same) for chain, same in zip(in_order, same_number, strict=True))
    moved = {change.subject[-1] for change in changes if change.kind is ChangeKind.MOVED}
    unmoved = set(staying) - moved
    assert len(unmoved) == longest
    assert sum(old.index(key) == new.index(key) for key in unmoved) == most
