"""Instructions as HTML."""

import pytest

from procedures.markdown import html_of


def test_what_authors_write_is_shown_as_they_mean_it() -> None:
    html = html_of("**Mix** it:\n\n1. gently\n2. slowly\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")

    assert "<strong>Mix</strong>" in html
    assert "<li>gently</li>" in html
    assert "<td>2</td>" in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<img src=x onerror=alert(1)>",
        "![x](https://elsewhere.example/pixel.png)",
        '<a href="https://x" style="position:fixed" onclick="x()">x</a>',
        "<iframe src=https://elsewhere.example></iframe>",
    ],
)
def test_nothing_that_an_author_writes_acts_on_the_page(hostile: str) -> None:
    html = html_of(hostile)

    tags = {part.partition(" ")[0].partition(">")[0].strip("/") for part in html.split("<")[1:]}
    assert tags <= {"p", "a"}
    assert 'href="javascript' not in html
    assert 'href="data' not in html
