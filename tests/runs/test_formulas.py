"""Cells that stay cells in a spreadsheet, wherever it splits them, and keep what was recorded."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest import exact_json
from runs.formulas import defused_json, defused_text

SIGNS = "=+-@＝＋－＠"  # noqa: RUF001
HOSTILE = st.text(
    st.sampled_from([*SIGNS, "'", '"', ";", ",", "|", ":", "\t", "\r", "\n", " ", "\N{NO-BREAK SPACE}", "a", "1"])
)
PAYLOAD = "=1+1"
ATTACKS = [
    f"{before}{PAYLOAD}{after}"
    for before in (
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        '"',
        'a"',
        "a;",
        "a; ",
        "a,",
        "a\t",
        "a|",
        'a";"',
        'a,"',
        "'a';",
        "\N{ZERO WIDTH SPACE}",
    )
    for after in ("", ";b", "\tb", "|b", '"')
]
SEPARATORS = {
    "comma": 44,
    "semicolon": 59,
    "tab": 9,
    "bar": 124,
    "space": 32,
    "colon": 58,
    "comma or semicolon": "44/59/MRG",
}


def recorded_in(cell: str) -> str:
    """Read a cell as the documents say."""
    text = re.sub(rf"'([{re.escape(SIGNS)}])", r"\1", cell)
    return text[1:] if re.match("'+[\t\r\n]", text) else text


@pytest.mark.parametrize("sign", SIGNS)
def test_a_text_that_begins_like_a_formula_begins_with_an_apostrophe(sign: str) -> None:
    assert defused_text(f"{sign}1") == f"'{sign}1"


@pytest.mark.parametrize("blank", ["\t", "\r", "\n", "\r\n", "\t\t"])
def test_a_text_that_begins_with_a_tab_or_a_line_break_begins_with_an_apostrophe(blank: str) -> None:
    assert defused_text(f"{blank}1") == f"'{blank}1"


@pytest.mark.parametrize("separator", [*" ;,\t|:/\n\r\"'^~_", "\N{NO-BREAK SPACE}"])
def test_a_sign_after_whatever_may_separate_has_an_apostrophe(separator: str) -> None:
    assert defused_text(f"a{separator}=1") == f"a{separator}'=1"


@pytest.mark.parametrize("text", ["a=1", "well-known", "2026-11-20", "me@home.org", "5 - 3", "x = 1+1", "it's", ""])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert defused_text(text) == text


@given(HOSTILE)
def test_what_was_recorded_can_be_read_from_the_cell(text: str) -> None:
    assert recorded_in(defused_text(text)) == text


@given(HOSTILE, st.sampled_from(' ;,\t|:\n\r"_'))
def test_no_part_of_a_cell_begins_like_a_formula(text: str, separator: str) -> None:
    parts = defused_text(text).split(separator)

    # A sign alone is no formula.
    assert [part for part in parts if part[:1] and part[0] in SIGNS and len(part.strip(separator)) > 1] == []


@given(HOSTILE)
def test_the_json_of_a_cell_is_the_same_json(text: str) -> None:
    content = {"lot": text, "mass": -5, "more": [text, {text: text}]}

    assert exact_json.loads(defused_json(exact_json.dumps(content).decode())) == content


def test_numbers_in_json_stay_as_they_are() -> None:
    assert defused_json('{"a":-5,"b":[-1.50,2e-3],"c":"x-1"}') == '{"a":-5,"b":[-1.50,2e-3],"c":"x-1"}'


def table_of(cells: list[str]) -> str:
    """Return a table with each cell in the middle of a line, as an export has it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(["1", "commit", cell, "end"] for cell in cells)
    return text.getvalue()


@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice Calc (apt: libreoffice-calc)")
@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_libreoffice_finds_no_formula_wherever_it_splits(tmp_path: Path, separator: object) -> None:
    # It is asked to run whatever formulas it finds, which it does not do of its own accord.
    as_json = [exact_json.dumps({"note": attack}).decode() for attack in ATTACKS]
    tables = {
        "defused": table_of([*map(defused_text, ATTACKS), *map(defused_json, as_json)]),
        "raw": table_of([*ATTACKS, *as_json]),
    }
    for name, table in tables.items():
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8", newline="")
    import_filter = f"CSV:{separator},34,76,1,,0,false,true,false,false,false,0,true"
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    files = [str(tmp_path / f"{name}.csv") for name in tables]
    command = ["soffice", home, "--headless", f"--infilter={import_filter}", "--convert-to", "fods", "--outdir"]
    subprocess.run([*command, str(tmp_path), *files], check=True, capture_output=True, timeout=120)

    formulas = {
        name: (tmp_path / f"{name}.fods").read_text(encoding="utf-8").count("table:formula=") for name in tables
    }

    assert formulas["raw"] > 0
    assert formulas["defused"] == 0
