"""Strict fields coerce nothing, and strict serializers overlook nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from rest import fields

Field = serializers.Field[Any, Any, Any, Any]


def code_of(field: Field, value: object) -> str:
    with pytest.raises(ValidationError) as refusal:
        field.run_validation(value)
    (detail,) = refusal.value.detail
    return str(detail.code)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (fields.StrictCharField(), "  kept as it is \n"),
        (fields.SlugField(), "gibson-assembly-2"),
        (fields.SlugField(), "a" * 63),
        (fields.NameField(), "total_pmol2"),
        (fields.StrictIntegerField(), 12),
        (fields.StrictNumberField(), 12),
        (fields.StrictNumberField(), Decimal("12.50")),
        (fields.StrictBooleanField(), False),
        (fields.StrictChoiceField(choices=["a", "b"]), "b"),
        (fields.ObjectField(), {"any": [1, "x"]}),
    ],
)
def test_a_value_of_the_right_type_is_taken_as_it_is(field: Field, value: object) -> None:
    result = field.run_validation(value)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (fields.StrictCharField(), 1, "type"),
        (fields.StrictCharField(), True, "type"),
        (fields.StrictCharField(), ["a"], "type"),
        (fields.StrictCharField(), None, "null"),
        (fields.StrictCharField(), "", "blank"),
        (fields.StrictCharField(max_length=2), "abc", "max_length"),
        (fields.SlugField(), "Gibson", "slug"),
        (fields.SlugField(), "a--b", "slug"),
        (fields.SlugField(), "-a", "slug"),
        (fields.SlugField(), "a-", "slug"),
        (fields.SlugField(), "a_b", "slug"),
        (fields.SlugField(), "abc\n", "slug"),
        (fields.SlugField(), "../../etc/passwd", "slug"),
        (fields.SlugField(), "größe", "slug"),
        (fields.SlugField(), "٣", "slug"),
        (fields.SlugField(), "a" * 64, "max_length"),
        (fields.NameField(), "total-pmol", "name"),
        (fields.NameField(), "2nd", "name"),
        (fields.NameField(), "total\n", "name"),
        (fields.NameField(), "a" * 64, "max_length"),
        (fields.StrictIntegerField(), "12", "type"),
        (fields.StrictIntegerField(), Decimal("12.0"), "type"),
        (fields.StrictIntegerField(), True, "type"),
        (fields.StrictIntegerField(min_value=1), 0, "min_value"),
        (fields.StrictNumberField(), "12", "type"),
        (fields.StrictNumberField(), True, "type"),
        (fields.StrictBooleanField(), "true", "type"),
        (fields.StrictBooleanField(), 1, "type"),
        (fields.StrictBooleanField(), None, "null"),
        (fields.StrictChoiceField(choices=["a"]), "c", "invalid_choice"),
        (fields.StrictChoiceField(choices=["1"]), 1, "invalid_choice"),
        (fields.StrictChoiceField(choices=["a"]), ["a"], "invalid_choice"),
        (fields.ObjectField(), [], "type"),
        (fields.ObjectField(), "{}", "type"),
        (fields.InstantField(), 1795424047, "type"),
    ],
)
def test_a_value_of_another_type_or_form_is_refused(field: Field, value: object, code: str) -> None:
    assert code_of(field, value) == code


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-23T09:14:05Z", datetime(2026, 11, 23, 9, 14, 5, tzinfo=UTC)),
        ("2026-11-23t09:14:05z", datetime(2026, 11, 23, 9, 14, 5, tzinfo=UTC)),
        ("2026-11-23T10:14:05.250+01:00", datetime(2026, 11, 23, 9, 14, 5, 250_000, tzinfo=UTC)),
        ("2026-11-23T09:14:05.123999999Z", datetime(2026, 11, 23, 9, 14, 5, 123_000, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_with_its_offset(text: str, instant: datetime) -> None:
    assert fields.InstantField().run_validation(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T09:14:05",
        "2026-11-23",
        "2026-11-23 09:14:05Z",
        "2026-02-30T09:14:05Z",
        "2026-11-23T24:14:05Z",
        "2026-11-23T09:14:05+99:99",
        "0001-01-01T00:00:00+14:00",
        "2026-11-23T09:14:05Z\n",
        "20261123T091405Z",
        "2026-W48-1T09:14:05Z",
        "٢٠٢٦-11-23T09:14:05Z",
        "",
    ],
)
def test_an_instant_without_offset_or_of_another_form_is_refused(text: str) -> None:
    assert code_of(fields.InstantField(), text) == "type"


def test_an_instant_is_written_in_utc_to_the_millisecond() -> None:
    instant = datetime.fromisoformat("2026-11-23T10:14:05.123456+01:00")

    assert fields.InstantField().to_representation(instant) == "2026-11-23T09:14:05.123Z"


class Sample(fields.StrictSerializer):
    """A body with a member of each kind."""

    number = fields.StrictIntegerField()
    text = fields.StrictCharField(required=False)
    derived = fields.StrictCharField(read_only=True)


def test_a_strict_serializer_takes_what_it_declares() -> None:
    sample = Sample(data={"number": 1})

    assert sample.is_valid()
    assert sample.validated_data == {"number": 1}


def test_a_strict_serializer_reports_unknown_members_together_with_wrong_ones() -> None:
    sample = Sample(data={"number": "1", "text": 2, "nmuber": 1})

    assert not sample.is_valid()
    assert {name: errors[0].code for name, errors in sample.errors.items()} == {
        "number": "type",
        "text": "type",
        "nmuber": "unknown",
    }


def test_a_strict_serializer_ignores_read_only_members() -> None:
    sample = Sample(data={"number": 1, "derived": "as GET showed it"})

    assert sample.is_valid()
    assert sample.validated_data == {"number": 1}


@pytest.mark.parametrize("data", [[], "text", 1, None])
def test_a_strict_serializer_refuses_anything_but_an_object(data: object) -> None:
    sample = Sample(data=data)

    assert not sample.is_valid()
