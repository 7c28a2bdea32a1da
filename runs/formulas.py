r"""Cells that no spreadsheet runs as a formula, and that keep all that was recorded (OWASP, "CSV Injection").

Whoever opens a file chooses the separator, or their locale does; and a program that splits at a different character
finds cells inside ours: where `;` is the separator, `a;=1+1` contains a formula. Quotes do not help, since such a
program meets them in the middle of a cell. So not only the beginning of a cell matters, but every place after a
character that is neither a letter nor a digit.
"""

import re

SIGNS = r"=+\-@＝＋－＠"  # noqa: RUF001  # the wide forms, which Excel takes for the plain ones
"""The characters that a formula begins with."""

BEGINNING = re.compile(
    r"(?<![^\W_])"  # not inside a word or a number
    rf"(?<![{SIGNS}])"  # only the first of several
    rf"(?!(?<=[^\W_] )[{SIGNS}] )"  # not between blanks in a sentence: `5 - 3` has no formula at whatever it is split
    rf"([{SIGNS}])"
)
BLANK_START = re.compile(r"^('*[\t\r\n])")
JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def defused_text(text: str) -> str:
    """Return a text with an apostrophe before whatever may begin a formula, and before a leading tab or line break.

    To read what was recorded, remove one apostrophe wherever there is one before a sign, and one before a leading tab
    or line break.
    """
    return BEGINNING.sub(r"'\1", BLANK_START.sub(r"'\1", text))


def defused_json(text: str) -> str:
    """Return the same JSON: in its strings, whatever may begin a formula is escaped. Numbers stay as they are."""
    return JSON_STRING.sub(lambda string: BEGINNING.sub(_escaped, string[0]), text)


def _escaped(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04x}"
