"""The chain of hashes: its form, which can never change, and the faults that it finds."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.roles import Role
from procedures.models import Revision, Step, content_of
from rest import exact_json, timestamps
from runs.actions import abort_run, amend_step, pause_run, resume_run
from runs.ledger import faults_in, hash_of, origin_of
from runs.models import Run, RunEvent
from runs.states import EventKind
from tests.factories import body, commit, item, slot, start, step, unhurried, verb_request
from tests.factories import publish as publish_body

pytestmark = pytest.mark.django_db

RUN_ID = "01938c1e-5d00-7000-8000-000000000001"
STEPS = [
    step(slots=[slot("mass", "decimal", max=20, out_of_range="deviation", unit="g")], checklist=[item("ppe")]),
    step("incubate"),
]


@pytest.fixture
def supervisor_user(person: Callable[[Role], User]) -> User:
    return person(Role.SUPERVISOR)


@pytest.fixture
def run(supervisor_user: User) -> Run:
    """A completed run of seven events."""
    run = start(supervisor_user, body(steps=STEPS))
    deviations = [{"slot": "mass", "reason": "spilled"}]
    values, checklist = {"mass": exact_json.loads("20.50")}, {"ppe": True}
    commit(run, "measure", supervisor_user, values=values, checklist=checklist, deviations=deviations, note="ok")
    pause_run(request=verb_request(run, supervisor_user, reason="fire drill"))
    resume_run(request=verb_request(run, supervisor_user))
    amend(run, supervisor_user, amends=2)
    commit(run, "incubate", supervisor_user, performed_at="2026-11-20T09:14:05.250Z")
    amend(run, supervisor_user, amends=5)
    return Run.objects.get(pk=run.pk)


def amend(run: Run, actor: User, amends: int) -> None:
    content: dict[str, Any] = {"values": {"mass": 19}, "checklist": {"ppe": True}, "amends": amends, "reason": "typo"}
    amend_step(request=verb_request(run, actor, **content), step_key="measure")


GUARDS = {
    "runs_runevent": "event_is_append_only",
    "runs_run": "run_keeps_its_origin",
    "procedures_revision": "revision_is_immutable_once_published",
    "procedures_step": "step_is_immutable_once_published",
}


@contextmanager
def tampering() -> Iterator[Any]:
    """A cursor, while the triggers that guard the ledger are off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending triggers cannot be altered
        for table, guard in GUARDS.items():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {guard}")
        yield cursor
        for table, guard in GUARDS.items():
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {guard}")


def tampered(run: Run, statement: str, *arguments: object) -> list[str]:
    """Return the faults in `run` after a statement that the database would normally refuse."""
    with tampering() as cursor:
        cursor.execute(statement, arguments)
    return faults_of(run)


def faults_of(run: Run) -> list[str]:
    return faults_in(Run.objects.with_head().get(pk=run.pk))


# --- the form ---


def fixed_event() -> RunEvent:
    return RunEvent(
        run_id=UUID(RUN_ID),
        seq=2,
        kind=EventKind.COMMIT,
        step=Step(key="measure"),
        values=exact_json.loads('{"mass": 12.50, "lot": "A\\u00b5/\\"1\\"", "count": 3, "big": 1E+25, "zero": -0.0}'),
        checklist={"ppe": True},
        deviations=[{"slot": "mass", "limit": {"max": exact_json.loads("12.0")}, "reason": "line 1\nline 2"}],
        note=None,
        reason=None,
        amends=None,
        actor_id=7,
        actor_name="Ada Lovelace",
        recorded_at=datetime(2026, 11, 23, 9, 14, 7, 412_000, tzinfo=UTC),
        performed_at=datetime(2026, 11, 23, 10, 14, 5, tzinfo=timezone(timedelta(hours=1))),
        idempotency_key="k-1",
        request_sha256="ab" * 32,
    )


# Written by hand: sorted names, no white space, UTF-8; columns that hold JSON are texts, with the digits as written.
CANONICAL = (
    '{"actor":7,"actor_name":"Ada Lovelace","amends":null,"checklist":"{\\"ppe\\":true}",'
    r'"deviations":"[{\"limit\":{\"max\":12.0},\"reason\":\"line 1\\nline 2\",\"slot\":\"mass\"}]",'
    '"idempotency_key":"k-1","kind":"commit","note":null,"performed_at":"2026-11-23T09:14:05.000Z",'
    '"reason":null,"recorded_at":"2026-11-23T09:14:07.412Z","request_sha256":"' + "ab" * 32 + '",'
    '"run":"' + RUN_ID + '","seq":2,"step":"measure",'
    r'"values":"{\"big\":10000000000000000000000000,\"count\":3,\"lot\":\"Aµ/\\\"1\\\"\",\"mass\":12.50,\"zero\":0.0}"}'
)
GOLDEN = "3be9b20c844358048290e8d4d572f0ca3fde347b9475a777c73abcd9f8ef1a4e"


def test_the_hash_of_an_event_is_the_one_it_has_always_been() -> None:
    previous = "0f" * 32

    assert hash_of(fixed_event(), previous) == GOLDEN
    assert hashlib.sha256(f"{previous}\n{CANONICAL}".encode()).hexdigest() == GOLDEN


def test_the_first_event_builds_on_no_hash() -> None:
    assert hash_of(fixed_event(), "") == hashlib.sha256(f"\n{CANONICAL}".encode()).hexdigest()


@pytest.mark.parametrize(("one", "other"), [("12.50", "12.5"), ("12.0", "12"), ("12.5", '"12.5"'), ("1", "true")])
def test_values_that_read_differently_hash_differently(one: str, other: str) -> None:
    event, changed = fixed_event(), fixed_event()
    event.values, changed.values = exact_json.loads(one), exact_json.loads(other)

    assert hash_of(event, "") != hash_of(changed, "")


def test_null_and_empty_hash_differently() -> None:
    event, changed = fixed_event(), fixed_event()
    changed.note = ""

    assert hash_of(event, "") != hash_of(changed, "")


# --- the way to the database and back ---

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
fractions = st.from_regex(r"-?(0|[1-9][0-9]{0,7})\.[0-9]{1,7}", fullmatch=True)
exponents = st.from_regex(r"-?[0-9](\.[0-9]{1,5})?[eE][+-]?(1?[0-9]|2[0-4])", fullmatch=True)
integers = st.integers(-exact_json.MAX_SAFE_INTEGER, exact_json.MAX_SAFE_INTEGER).map(str)
scalars = st.one_of(fractions, exponents, integers, texts.map(json.dumps), st.sampled_from(["true", "false", "null"]))
contents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda members: f"[{','.join(members)}]"),
        st.dictionaries(texts, inner, max_size=4).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}:{member}" for name, member in members.items()) + "}"
        ),
    ),
    max_leaves=8,
)
instants = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001  # hypothesis adds the offset
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@settings(unhurried, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    values=st.dictionaries(texts, contents.map(exact_json.loads), max_size=3),
    checklist=st.dictionaries(texts, st.booleans(), max_size=3),
    deviations=st.lists(contents.map(exact_json.loads), max_size=3),
    note=st.none() | texts,
    reason=st.none() | texts,
    actor_name=texts,
    recorded_at=instants,
    performed_at=st.none() | instants,
    idempotency_key=st.none() | texts,
)
def test_a_stored_event_hashes_as_it_did_before(supervisor_user: User, **columns: Any) -> None:
    with transaction.atomic():
        run = start(supervisor_user)
        event = RunEvent(run=run, seq=2, kind=EventKind.PAUSE, actor=supervisor_user, **columns)
        before = hash_of(event, "")
        event.save()
        stored = RunEvent.objects.get(pk=event.pk)
        transaction.set_rollback(True)

    assert hash_of(stored, "") == before


@pytest.mark.parametrize("digits", ["12.50", "1E+2", "1e25", "-0.0", "0e5", "-0", "1.50e-7", "9007199254740991"])
def test_a_number_reads_and_hashes_the_same_before_and_after_storage(
    run: Run, supervisor_user: User, digits: str
) -> None:
    event = RunEvent(run=run, seq=8, kind=EventKind.PAUSE, actor=supervisor_user, recorded_at=timestamps.now())
    event.values = {"mass": exact_json.loads(digits)}
    event.save()
    stored = RunEvent.objects.get(pk=event.pk)

    assert exact_json.dumps(stored.values) == exact_json.dumps(event.values)
    assert hash_of(stored, "") == hash_of(event, "")


# --- what it finds ---


def test_an_untouched_ledger_has_no_faults(run: Run) -> None:
    assert run.last_seq == 7
    assert faults_of(run) == []


def test_a_ledger_of_every_kind_of_event_has_no_faults(supervisor_user: User) -> None:
    run = start(supervisor_user, body(steps=[step(skippable=True), step("incubate")]))
    abort_run(request=verb_request(run, supervisor_user, reason="leak"))

    assert faults_of(run) == []


@pytest.mark.parametrize("seq", [1, 2, 7])
@pytest.mark.parametrize(
    "change",
    [
        "values = values || '{\"more\": 1}'",
        "checklist = '{\"ppe\": false}'",
        "deviations = '[]' || deviations || '[1]'",
        "note = coalesce(note, '') || 'x'",
        "reason = coalesce(reason, '') || 'x'",
        "actor_id = (SELECT id FROM auth_user WHERE username = 'other')",
        "actor_name = 'Somebody else'",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "performed_at = coalesce(performed_at, recorded_at) + interval '1 microsecond'",
        "idempotency_key = 'another'",
        "request_sha256 = repeat('0', 64)",
        "hash = repeat('0', 64)",
    ],
)
def test_a_changed_column_is_found(run: Run, seq: int, change: str) -> None:
    User.objects.create(username="other")

    statement = f"UPDATE runs_runevent SET {change} WHERE run_id = %s AND seq = %s"  # noqa: S608  # written above
    faults = tampered(run, statement, run.pk, seq)

    assert f"event {seq} " in faults[0]


def test_a_changed_kind_is_found(run: Run) -> None:
    faults = tampered(run, "UPDATE runs_runevent SET kind = 'resume' WHERE run_id = %s AND seq = 3", run.pk)

    assert faults == ["event 3 (resume) does not match its hash, or the one before was changed"]


def test_a_ledger_that_does_not_begin_with_a_start_is_found_though_its_hashes_match(run: Run) -> None:
    first = run.events.get(seq=1)
    first.kind = EventKind.PAUSE
    tampered(run, "DELETE FROM runs_runevent WHERE run_id = %s AND seq > 1", run.pk)
    Run.objects.filter(pk=run.pk).update(last_seq=1)

    forged = hash_of(first, "")
    faults = tampered(run, "UPDATE runs_runevent SET kind = 'pause', hash = %s WHERE run_id = %s", forged, run.pk)

    assert faults == ["event 1 (pause) is out of place: a run has one start, as its first event"]


def test_a_second_start_is_found_though_its_hash_matches(run: Run) -> None:
    newest = run.events.get(seq=7)
    start = RunEvent(
        run=run, seq=8, kind=EventKind.START, values=origin_of(run), actor=run.started_by,
        actor_name=run.started_by_name, recorded_at=run.started_at,
    )  # fmt: skip
    start.hash = hash_of(start, newest.hash)
    start.save()
    Run.objects.filter(pk=run.pk).update(last_seq=8)

    out_of_place, too_early = faults_of(run)
    assert out_of_place == "event 8 (start) is out of place: a run has one start, as its first event"
    assert too_early.startswith("event 8 (start) is recorded ")


def test_time_that_goes_back_is_found_though_all_hashes_match(run: Run) -> None:
    newest = run.events.get(seq=7)
    pause = RunEvent(
        run=run, seq=8, kind=EventKind.PAUSE, actor=run.started_by, actor_name=run.started_by_name,
        recorded_at=newest.recorded_at - timedelta(minutes=15),
    )  # fmt: skip
    pause.hash = hash_of(pause, newest.hash)
    pause.save()
    Run.objects.filter(pk=run.pk).update(last_seq=8)

    assert faults_of(run) == ["event 8 (pause) is recorded 900.000 s before the one before it"]


def test_another_step_is_found(run: Run) -> None:
    faults = tampered(
        run,
        "UPDATE runs_runevent SET step_id = (SELECT id FROM procedures_step WHERE key = 'incubate') "
        "WHERE run_id = %s AND seq = 5",
        run.pk,
    )

    assert faults == ["event 5 (amend) does not match its hash, or the one before was changed"]


def test_another_target_of_an_amendment_is_found(run: Run) -> None:
    faults = tampered(run, "UPDATE runs_runevent SET amends = 2 WHERE run_id = %s AND seq = 7", run.pk)

    assert faults == ["event 7 (amend) does not match its hash, or the one before was changed"]


def test_dropped_digits_are_found(run: Run) -> None:
    faults = tampered(run, "UPDATE runs_runevent SET values = '{\"mass\": 20.5}' WHERE run_id = %s AND seq = 2", run.pk)

    assert faults == ["event 2 (commit) does not match its hash, or the one before was changed"]


def test_a_step_of_the_same_name_in_another_revision_is_found(run: Run) -> None:
    publish_body(body(title="Another", steps=STEPS))

    faults = tampered(
        run,
        "UPDATE runs_runevent SET step_id = (SELECT max(id) FROM procedures_step WHERE key = 'measure') "
        "WHERE run_id = %s AND seq = 5",
        run.pk,
    )

    assert faults == ["event 5 (amend) is about a step of another revision"]


def test_another_revision_of_the_run_is_found(run: Run) -> None:
    other = publish_body(body(title="Another", steps=STEPS)).current_id

    faults = tampered(run, "UPDATE runs_run SET revision_id = %s", other)

    assert faults[0].startswith("the run's origin is {'procedure': 'gibson', 'revision': 2, ")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("title = 'Batch 13'", "origin"),
        ("external_ref = 'ELN-2'", "origin"),
        ("started_by_id = (SELECT id FROM auth_user WHERE username = 'other')", "started_by"),
        ("started_by_name = 'Somebody else'", "started_by_name"),
        ("started_at = started_at - interval '1 day'", "started_at"),
    ],
)
def test_a_run_that_contradicts_its_start_is_found(run: Run, change: str, name: str) -> None:
    User.objects.create(username="other")

    (fault,) = tampered(run, f"UPDATE runs_run SET {change}")  # noqa: S608  # written above

    assert fault.startswith(f"the run's {name} is ")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE procedures_step SET instructions = 'Do nothing.' WHERE key = 'measure'",
        "UPDATE procedures_step SET slots = '[]' WHERE key = 'measure'",
        "UPDATE procedures_step SET slots = jsonb_set(slots, '{0,max}', '20.0') WHERE key = 'measure'",
        "UPDATE procedures_step SET skippable = true WHERE key = 'incubate'",
        "UPDATE procedures_step SET position = 3 - position",
        "DELETE FROM procedures_step WHERE key = 'unused'",
        "UPDATE procedures_revision SET title = 'Forged'",
        "UPDATE procedures_revision SET ordering = 'any'",
    ],
)
def test_a_revision_that_differs_from_what_was_published_is_found(supervisor_user: User, statement: str) -> None:
    run = start(supervisor_user, body(steps=[*STEPS, step("unused")]))

    assert tampered(run, statement) == ["the content of gibson revision 1 does not match its hash"]


def test_a_revision_whose_hash_was_recomputed_is_found_by_the_start_of_the_run(run: Run) -> None:
    with tampering() as cursor:
        cursor.execute("UPDATE procedures_revision SET title = 'Forged'")
        cursor.execute(
            "UPDATE procedures_revision SET content_sha256 = %s", [content_of(Revision.objects.get()).content_sha256]
        )

    (fault,) = faults_of(run)

    assert fault.startswith("the run's origin is ")


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("seq = 1", "event 1 is missing"),
        ("seq = 4", "event 4 is missing"),
        ("seq IN (3, 4)", "events 3 to 4 are missing"),
        ("seq = 7", "the newest event is 6, but the run's last_seq is 7"),
        ("seq > 0", "the newest event is 0, but the run's last_seq is 7"),
    ],
)
def test_a_missing_event_is_found(run: Run, condition: str, fault: str) -> None:
    statement = f"DELETE FROM runs_runevent WHERE run_id = %s AND {condition}"  # noqa: S608  # written above
    faults = tampered(run, statement, run.pk)

    assert faults == [fault]


def test_events_beyond_the_newest_that_the_run_knows_are_found(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(last_seq=6)

    assert faults_of(run) == ["the newest event is 7, but the run's last_seq is 6"]


def test_events_that_changed_places_are_found(run: Run) -> None:
    with tampering() as cursor:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            cursor.execute("UPDATE runs_runevent SET seq = %s WHERE run_id = %s AND seq = %s", [new, run.pk, old])

    assert "event 3 (resume) does not match its hash, or the one before was changed" in faults_of(run)
    assert "event 4 (pause) does not match its hash, or the one before was changed" in faults_of(run)


def test_an_event_moved_to_another_run_is_found_in_both(run: Run, supervisor_user: User) -> None:
    other = start(supervisor_user, body("pcr"))
    Run.objects.filter(pk=other.pk).update(last_seq=2)

    faults = tampered(
        run, "UPDATE runs_runevent SET run_id = %s, seq = 2 WHERE run_id = %s AND seq = 3", other.pk, run.pk
    )

    assert faults == ["event 3 is missing"]
    assert "event 2 (pause) does not match its hash, or the one before was changed" in faults_of(other)


def test_a_removed_last_event_is_found_by_the_runs_status_even_if_the_count_was_lowered_too(
    supervisor_user: User,
) -> None:
    run = start(supervisor_user, body(steps=[step()]))
    commit(run, "measure", supervisor_user)
    Run.objects.filter(pk=run.pk).update(last_seq=1)

    faults = tampered(run, "DELETE FROM runs_runevent WHERE run_id = %s AND seq = 2", run.pk)

    assert faults[0] == "the run's status is completed, but its events make it in_progress"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("status = 'aborted'", "the run's status is aborted, but its events make it completed"),
        ("ended_at = started_at", "the run's ended_at is {0.started_at}, but its events make it {0.ended_at}"),
        ("end_reason = 'leak'", "the run's end_reason is leak, but its events make it None"),
    ],
)
def test_a_run_that_says_otherwise_how_it_ended_is_found(run: Run, change: str, fault: str) -> None:
    assert tampered(run, f"UPDATE runs_run SET {change}") == [fault.format(run)]  # noqa: S608  # written above


def test_another_reason_for_an_abort_is_found(supervisor_user: User) -> None:
    run = start(supervisor_user)
    abort_run(request=verb_request(run, supervisor_user, reason="leak"))

    faults = tampered(run, "UPDATE runs_run SET end_reason = 'fire'")

    assert faults == ["the run's end_reason is fire, but its events make it leak"]


def test_the_first_event_records_what_the_run_is(run: Run) -> None:
    assert run.events.get(seq=1).values == {
        "procedure": "gibson",
        "revision": 1,
        "content_sha256": run.revision.content_sha256,
        "title": "Gibson",
        "external_ref": None,
    }


def test_slots_with_unusual_numbers_match_their_hash(supervisor_user: User) -> None:
    mass = slot("mass", "decimal", min=exact_json.loads("-0.0"), max=exact_json.loads("1.50E+3"))
    run = start(supervisor_user, body(steps=[step(slots=[mass], caution="π\n")]))

    assert faults_of(run) == []


def test_the_number_of_statements_does_not_grow_with_the_events(
    run: Run, supervisor_user: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    head = Run.objects.with_head().get(pk=run.pk)
    for amends in (7, 8, 9):
        amend(run, supervisor_user, amends=amends)
    grown = Run.objects.with_head().get(pk=run.pk)

    with django_assert_num_queries(2):
        faults_in(grown)
    assert (head.last_seq, grown.last_seq) == (7, 10)
