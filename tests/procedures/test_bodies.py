"""Bodies made by one statement equal what the serializers write, byte for byte."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import procedures
from procedures.bodies import body_of_procedure
from procedures.caches import PROCEDURES
from procedures.models import Procedure, ProcedureStatus
from procedures.serializers import represent
from rest import exact_json
from rest.fields import is_visible
from tests import factories
from tests.factories import item, slot, step, unhurried

pytestmark = pytest.mark.django_db

SAMPLES = sorted((Path(procedures.__file__).parent / "sample_data").glob("*.json"))
AWKWARD = 'quotes " and \\ and / and \u2028, \x01 control, \x7f, é, 😀, </script>, "a" : 1, [ ] , { }'
EVERY_SLOT = [
    slot("mass", "decimal", min=exact_json.loads("12.50"), max=exact_json.loads("1E+25"), unit="g"),
    slot("count", "integer", min=0, max=9007199254740991),
    slot("text", "text", pattern="[a-z]+", min_length=1, max_length=9),
    slot("choice", "choice", options=[{"value": "a", "label": AWKWARD.replace("\x01", "")}]),
]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20).filter(
    is_visible
)


def by_serializers() -> bytes:
    """Return the list's body as REST framework makes it."""
    procedures = Procedure.objects.published().filter(status=ProcedureStatus.ACTIVE).with_steps()
    return exact_json.dumps([represent(procedure) for procedure in procedures])


def by_serializer(key: str) -> bytes:
    """Return a procedure's body as REST framework makes it."""
    return exact_json.dumps(represent(Procedure.objects.with_steps().get_published(key)))


def test_bodies_of_the_sample_procedures_are_equal() -> None:
    call_command("import_procedures", *SAMPLES, verbosity=0)

    assert PROCEDURES() == by_serializers()
    assert len(exact_json.loads(PROCEDURES().decode())) == 7  # type: ignore[arg-type]


def test_bodies_of_no_procedures_are_equal() -> None:
    assert PROCEDURES() == by_serializers() == b"[]"


def test_bodies_of_awkward_contents_are_equal() -> None:
    steps = [
        step("one", title=AWKWARD, instructions=AWKWARD + "\n\t", caution=AWKWARD, slots=EVERY_SLOT, skippable=True),
        step("two", expected_duration_s=60, checklist=[item("ready", label=AWKWARD)]),
    ]
    factories.publish(factories.body("awkward", title=AWKWARD, description=AWKWARD, tags=["b", "a"], steps=steps))

    assert PROCEDURES() == by_serializers()
    assert body_of_procedure("awkward") == by_serializer("awkward")


def test_the_body_of_an_archived_procedure_is_equal_and_not_in_the_list() -> None:
    factories.publish(factories.body("gibson"))
    Procedure.objects.update(status=ProcedureStatus.ARCHIVED)

    assert PROCEDURES() == b"[]"
    assert body_of_procedure("gibson") == by_serializer("gibson")


def test_the_list_is_in_the_order_of_its_keys_bytes() -> None:
    for key in ("a-b", "ab", "a1", "a"):
        factories.publish(factories.body(key))

    assert PROCEDURES() == by_serializers()


def test_an_absent_procedure_has_no_body() -> None:
    assert body_of_procedure("nobody") is None


def test_a_list_is_one_statement_for_its_keys_and_one_for_its_bodies(django_assert_num_queries: Any) -> None:
    factories.publish(factories.body("a"))
    factories.publish(factories.body("b"))

    with django_assert_num_queries(2):
        PROCEDURES()


@settings(unhurried, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=texts, caution=st.none() | texts, minimum=st.decimals(-(10**9), 10**9, places=4), duration=st.integers(1, 999)
)
def test_bodies_of_any_contents_are_equal(title: str, caution: str | None, minimum: Any, duration: int) -> None:
    slots = [slot("mass", "decimal", min=minimum)]
    factories.publish(
        factories.body(
            "any", title=title, steps=[step("s", caution=caution, expected_duration_s=duration, slots=slots)]
        )
    )

    assert body_of_procedure("any") == by_serializer("any")
