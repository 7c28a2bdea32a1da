"""JSON read strictly and written exactly: the service stores and serves exactly what a client sent.

Numbers keep every digit (12.50 stays 12.50). Anything that two JSON readers could understand
differently is refused: duplicate names, NaN, numbers that a double cannot hold, lone surrogates, NUL.
The limits are those of I-JSON (RFC 7493 §2), which canonical JSON (RFC 8785) relies on too.
"""

import json
import math
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeAlias

import orjson

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | Decimal | bool | None"

MAX_DEPTH = 32
MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493 §2.2
MAX_SIGNIFICANT_DIGITS = 15  # any decimal of 15 digits survives a round trip through a double (IEEE 754)
MAX_SHOWN_NAME = 100
BYTE_ORDER_MARK = "\ufeff"
SURROGATE = re.compile("[\ud800-\udfff]")
MAX_EXPONENT = 30  # far beyond any measurement; keeps the written-out form short


class NotExactJSON(ValueError):
    """The text is not JSON, or readers could disagree about it; the message says what is wrong."""


def loads(text: str) -> JSON:
    """Read JSON; fractions and exponents become `Decimal`.

    Raises:
        NotExactJSON: the text is malformed, ambiguous, or deeper than 32 levels.
    """
    if text.startswith(BYTE_ORDER_MARK):
        raise NotExactJSON("JSON must not begin with a byte order mark (BOM).")
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_without_duplicates,
        )
    except RecursionError:
        raise NotExactJSON(f"Nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise NotExactJSON(f"{what} at line {error.lineno}, column {error.colno}.") from None
    _check_texts_and_depth(value, depth=0)
    return value  # type: ignore[no-any-return]  # json.loads is untyped


def dumps(value: object, *, sort_keys: bool = False, indent: bool = False) -> bytes:
    """Write JSON as UTF-8 bytes; a `Decimal` is written as a number, digit for digit."""
    options = (orjson.OPT_SORT_KEYS if sort_keys else 0) | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(value, default=_write_decimal, option=options)


def loads_stored(text: str) -> Any:
    """Read JSON that PostgreSQL wrote, without checking it; fractions become `Decimal`."""
    return _STORED.decode(text)


class ExactEncoder(json.JSONEncoder):
    """Let a `JSONField` write decimals as numbers."""

    def encode(self, o: Any) -> str:
        return dumps(o).decode()


class ExactDecoder(json.JSONDecoder):
    """Let a `JSONField` read fractions as `Decimal`."""

    def __init__(self) -> None:
        super().__init__(parse_float=Decimal, parse_int=_stored_integer)


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > MAX_SAFE_INTEGER:
        raise NotExactJSON("An integer is outside ±(2^53 - 1).")
    return number


def _decimal(digits: str) -> Decimal:
    try:
        number = Decimal(digits)
    except InvalidOperation:  # the exponent is too large even for the decimal library
        raise NotExactJSON(f"A number's exponent is outside ±{MAX_EXPONENT}.") from None
    if len(number.as_tuple().digits) > MAX_SIGNIFICANT_DIGITS:
        raise NotExactJSON(f"A number has more than {MAX_SIGNIFICANT_DIGITS} significant digits.")
    if abs(number.adjusted()) > MAX_EXPONENT or number.as_tuple().exponent < -MAX_EXPONENT:  # type: ignore[operator]
        raise NotExactJSON(f"A number's exponent is outside ±{MAX_EXPONENT}.")
    return number


def _stored_integer(digits: str) -> int | Decimal:
    # PostgreSQL stores 1E+25 with all its digits, as an integer that orjson could not write.
    return int(digits) if len(digits) <= 17 else Decimal(digits)


_STORED = ExactDecoder()


def _refuse_constant(name: str) -> NoReturn:
    raise NotExactJSON(f"{name} is not JSON.")


def _object_without_duplicates(members: list[tuple[str, JSON]]) -> dict[str, JSON]:
    value = dict(members)
    if len(value) < len(members):
        name, _ = Counter(name for name, _ in members).most_common(1)[0]
        raise NotExactJSON(f"The name {_shortened(name)!r} appears more than once in an object.")
    return value


def _shortened(name: str) -> str:
    """Return a name for a message, shortened."""
    return name if len(name) <= MAX_SHOWN_NAME else name[:MAX_SHOWN_NAME] + "…"


def _check_texts_and_depth(value: JSON, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise NotExactJSON(f"Nested deeper than {MAX_DEPTH} levels.")
        for child in value.values() if isinstance(value, dict) else value:
            _check_texts_and_depth(child, depth + 1)
        if isinstance(value, dict):
            for name in value:
                _check_text(name)


def _check_text(text: str) -> None:
    if "\x00" in text:  # PostgreSQL stores no NUL
        raise NotExactJSON("A string contains the character NUL.")
    if not text.isascii() and SURROGATE.search(text):
        raise NotExactJSON("A string contains half of a surrogate pair.")


def _write_decimal(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and math.isfinite(value):
        # No exponent and no negative zero, as PostgreSQL's jsonb writes it: a body is the same before and
        # after it is stored.
        return orjson.Fragment(f"{value or value.copy_abs():f}".encode())
    raise TypeError(f"{type(value).__name__} has no JSON form here.")
