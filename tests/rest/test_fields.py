"""Strict fields coerce nothing, and strict serializers overlook nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from rest import fields
from rest.findings import findings_of

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
        (fields.StrictCharField(), "."),
        (fields.StrictCharField(), "\u200bसि\u0301 "),
        (fields.StrictCharField(), "\U0001f9ea"),
        (fields.StrictCharField(allow_blank=True), ""),
        (fields.StrictListField(child=fields.SlugField(), max_length=1), ["a"]),
        (fields.ObjectField(max_members=1), {"a": 1}),
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
        (fields.StrictCharField(), "   ", "invisible"),
        (fields.StrictCharField(), "\n\t\r", "invisible"),
        (fields.StrictCharField(allow_blank=True), " ", "invisible"),
        (fields.StrictCharField(), "\u00a0\u2003\u3000\u2028\u1680", "invisible"),
        (fields.StrictCharField(), "\u200b\u200d\u2060\ufeff\u00ad\u202e\U000e0041", "invisible"),
        (fields.StrictCharField(), "\x07\x1b\x85", "invisible"),
        (fields.StrictCharField(), "\u0301\ufe0f\u20dd", "invisible"),
        (fields.StrictCharField(), "\ue000\ufffe\U0003fffe", "invisible"),
        (fields.StrictCharField(), "\u2800\u115f\u1160\u3164\uffa0\ufffc\U0001d159", "invisible"),
        (fields.StrictListField(child=fields.SlugField(), max_length=1), [1, 2], "max_length"),
        (fields.ObjectField(max_members=1), {"a": 1, "b": 2}, "max_length"),
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
        "2026-11-23T09:14:05+05:60",
        "2026-11-23T09:14:05+24:00",
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


class Group(fields.StrictSerializer):
    """A body with lists of objects in a list of objects."""

    samples = Sample(many=True)
    others = Sample(many=True)


def test_of_a_body_with_very_many_faulty_objects_only_the_first_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[object] = []
    monkeypatch.setattr(Sample, "validate_number", lambda _, number: checked.append(number), raising=False)
    group = Group(data=[{"samples": [{"text": 1, "number": 1}] * 60, "others": [{"number": "1"}] * 60}] * 3, many=True)

    assert not group.is_valid()
    assert len(findings_of(group.errors)) == fields.MAX_FAULTY_MEMBERS
    assert len(checked) == 60


def test_of_a_body_with_fewer_faulty_objects_all_are_looked_at() -> None:
    group = Group(data=[{"samples": [{"number": "1"}], "others": []}] * 99, many=True)

    assert not group.is_valid()
    assert len(findings_of(group.errors)) == 99


@pytest.mark.parametrize("data", [[], "text", 1, None])
def test_a_strict_serializer_refuses_anything_but_an_object(data: object) -> None:
    sample = Sample(data=data)

    assert not sample.is_valid()


def test_of_very_many_unknown_members_the_first_are_found() -> None:
    serializer = Sample(data={f"a{number}": 0 for number in range(6_000)})

    assert not serializer.is_valid()
    assert len(serializer.errors) <= fields.MAX_UNKNOWN_MEMBERS + len(serializer.fields)
