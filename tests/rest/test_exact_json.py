"""What exact JSON reads, refuses and writes."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest import exact_json
from rest.exact_json import ExactDecoder, ExactEncoder, NotExactJSON
from tests.factories import unhurried

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.decimals(-1000, 1000, places=4).filter(
    lambda number: number.is_normal()
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=20,
)


@unhurried
@given(DOCUMENTS)
def test_what_was_written_is_read_back_the_same(document: exact_json.JSON) -> None:
    text = exact_json.dumps(document).decode()

    read = exact_json.loads(text)

    assert read == document
    assert exact_json.dumps(read).decode() == text


@pytest.mark.parametrize("digits", ["12.50", "0.00001", "100.0", "-3.140", "0.1"])
def test_a_fraction_keeps_every_digit(digits: str) -> None:
    assert exact_json.dumps(exact_json.loads(digits)).decode() == digits


def test_a_number_with_an_exponent_is_written_out() -> None:
    assert exact_json.dumps(exact_json.loads("[1e3, 25E-4]")) == b"[1000,0.0025]"


def test_a_fraction_is_a_decimal_and_an_integer_an_int() -> None:
    assert [type(number) for number in exact_json.loads("[1.0, 1]")] == [Decimal, int]  # type: ignore[union-attr]


@pytest.mark.parametrize("digits", ["9007199254740991", "-9007199254740991"])
def test_the_largest_safe_integers_are_read(digits: str) -> None:
    assert exact_json.loads(digits) == int(digits)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("9007199254740992", "outside"),
        ("-9007199254740992", "outside"),
        ("9" * 5000, "outside"),
        ("1.234567890123456", "15 significant digits"),
        ("1e31", "exponent"),
        ("1e-31", "exponent"),
        ("1e999", "exponent"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' appears more than once"),
        ('[{"deep": {"x": 1, "x": 1}}]', "'x' appears more than once"),
        ('"a\\u0000b"', "NUL"),
        ('{"a\\u0000b": 1}', "NUL"),
        ('"\\ud800"', "surrogate"),
        ('["\\udc00\\ud800"]', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("\ufeff{}", "must not begin with a byte order mark"),
        ('"a\nb"', "Invalid control character at line 1"),
        ("[" * 33 + "]" * 33, "deeper than 32"),
        ("[" * 100_000, "deeper than 32"),
        ('{"a":' * 50_000, "deeper than 32"),
        ("", "line 1, column 1"),
        ("[1,]", "line 1"),
        ("{'a': 1}", "line 1"),
        ("1 2", "Extra data"),
        ("\x00", "line 1"),
    ],
)
def test_ambiguous_or_malformed_text_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NotExactJSON, match=complaint):
        exact_json.loads(text)


def test_thirty_two_levels_are_read() -> None:
    text = "[" * 32 + "]" * 32

    assert exact_json.dumps(exact_json.loads(text)).decode() == text


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert exact_json.loads('"\\ud83e\\uddea"') == "🧪"


@unhurried
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_but_never_crashes(text: str) -> None:
    try:
        value = exact_json.loads(text)
    except NotExactJSON:
        return

    assert exact_json.loads(exact_json.dumps(value).decode()) == value


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity")])
def test_a_decimal_that_is_not_a_number_is_not_written(number: Decimal) -> None:
    with pytest.raises(TypeError):
        exact_json.dumps({"x": number})


def test_something_without_a_json_form_is_not_written() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        exact_json.dumps({"x": {1, 2}})


def test_names_can_be_sorted() -> None:
    assert exact_json.dumps({"b": 1, "a": 2}, sort_keys=True) == b'{"a":2,"b":1}'


def test_the_encoder_and_decoder_of_stored_json_keep_decimals() -> None:
    stored = json.dumps({"mass": Decimal("12.50")}, cls=ExactEncoder)

    assert stored == '{"mass":12.50}'
    assert json.loads(stored, cls=ExactDecoder) == {"mass": Decimal("12.50")}
