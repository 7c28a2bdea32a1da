"""What errors of PostgreSQL mean, for every SQLSTATE that psycopg knows."""

import psycopg
import pytest

from rest.sqlstates import MEANINGS, Meaning, is_of_the_session, meaning_of

KNOWN = {
    error.sqlstate
    for error in vars(psycopg.errors).values()
    if isinstance(error, type) and issubclass(error, psycopg.Error) and error.sqlstate is not None
}


def test_every_line_of_the_table_names_a_sqlstate_or_a_class() -> None:
    assert MEANINGS.keys() <= KNOWN | {sqlstate[:2] for sqlstate in KNOWN}


@pytest.mark.parametrize("sqlstate", sorted(KNOWN))
def test_a_wrong_statement_is_a_fault_and_what_the_server_cannot_do_is_not(sqlstate: str) -> None:
    """By the classes that appendix A gives to conditions of the server, and to those of statements and data."""
    of_the_server = sqlstate[:2] in {"08", "28", "40", "53", "57", "58"} and sqlstate != "40002"
    others = {"25006", "25P03", "25P04", "3D000", "55006", "55P03"}

    assert (meaning_of(sqlstate) is not Meaning.FAULT) is (of_the_server or sqlstate in others)


@pytest.mark.parametrize("sqlstate", [None, "08006", "08P01", "40003", "57P01", "57P02"])
def test_what_ends_in_the_middle_may_be_done(sqlstate: str | None) -> None:
    assert meaning_of(sqlstate) is Meaning.LOST


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        (None, True), ("25006", True), ("53200", True), ("57P01", True), ("XX000", True), ("0A000", True),
        ("26000", True), ("34000", True),
        ("23505", False), ("40001", False), ("40P01", False), ("55P03", False), ("57014", False), ("42P01", False),
    ],
)  # fmt: skip
def test_a_session_is_given_up_after_what_another_one_may_not_have(sqlstate: str | None, expected: bool) -> None:
    assert is_of_the_session(sqlstate) is expected
