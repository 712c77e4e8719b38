"""The grammar of `::x::` lines is GitHub's (bot-packages.md §7, layer 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.lines import (
    LineCommand,
    LineReader,
    LineWord,
    Remark,
    percent_of,
    remark_of,
    split_line,
)
from agent.wire.words import AnnotationLevel


def command(line: str) -> LineCommand | None:
    """What one line commands when nothing was said before."""
    return LineReader().read(line)


@pytest.mark.parametrize(
    ("line", "word", "text", "values"),
    [
        ("::error::Log-in failed", "error", "Log-in failed", {}),
        ("::ERROR::x", "error", "x", {}),
        ("  \t::warning::x", "warning", "x", {}),
        ("::notice title=A b::text", "notice", "text", {"title": "A b"}),
        ("::error file=a.py,line=3,Title=T::x", "error", "x", {"file": "a.py", "line": "3", "title": "T"}),
        ("::error title=a%3Ab%2Cc%25d%0Ae::x", "error", "x", {"title": "a:b,c%d\ne"}),
        ("::error::a%0D%0Ab%25c", "error", "a\r\nb%c", {}),
        ("::error::a%2Cb%3Ac", "error", "a%2Cb%3Ac", {}),
        ("::error::a%0ab", "error", "a%0ab", {}),
        ("::error::100%250A", "error", "100%0A", {}),
        ("::error::x\r", "error", "x", {}),
        ("::debug::a::b", "debug", "a::b", {}),
        ("::error ,a=,=b,c=d=e,a=f::x", "error", "x", {"c": "d=e", "a": "f"}),
        ("::group::Invoices", "group", "Invoices", {}),
        ("::endgroup::", "endgroup", "", {}),
        ("::add-mask:: a b ", "add-mask", " a b ", {}),
        ("::progress percent=40::half", "progress", "half", {"percent": "40"}),
        ("::error  title=x::", "error", "", {"title": "x"}),
    ],
)
def test_a_line_of_this_form_is_a_command(line: str, word: str, text: str, values: dict[str, str]) -> None:
    """Names ignore case, leading blanks are skipped, escapes are taken out where they belong."""
    assert command(line) == LineCommand(word=LineWord(word), text=text, values=values)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "error::x",
        "x ::error::y",
        ":error::y",
        "::error:y",
        "::error y",
        "::set-output name=a::b",
        ":: error::x",
        "::::x",
        "::err\u00f6r::x",
        "\u00a0::error::x",
        "std::string::npos",
        "::stop-commands::",
        "::stop-commands::Error",
    ],
)
def test_any_other_line_is_text(line: str) -> None:
    """Unknown `::x::` lines stay plain text; a stop that any command would end is none."""
    assert command(line) is None


def test_a_stop_makes_all_text_until_its_token() -> None:
    """`::stop-commands::TOKEN` ... `::TOKEN::`, whatever its case; no other token ends it."""
    reader = LineReader()
    lines = [
        "::error::a",
        "::stop-commands::Tok",
        "::error::b",
        "::add-mask::bb",
        "::other::",
        "tok",
        "::TOK::",
        "::error::c",
    ]
    found = [reader.read(line) for line in lines]
    assert [each.text if each else None for each in found] == ["a", "Tok", None, None, None, None, None, "c"]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        ("40", 40.0),
        ("12.5", 12.5),
        ("40%25", 40.0),
        ("-1", 0.0),
        ("1e9", 100.0),
        ("x", None),
        ("nan", None),
        ("", None),
    ],
)
def test_a_percentage_is_between_0_and_100(percent: str, expected: float | None) -> None:
    """A bot may print anything; what is no number says nothing."""
    found = command(f"::progress percent={percent}::")
    assert found is not None
    assert percent_of(found) == expected


def test_a_remark_without_title_is_named_by_its_place() -> None:
    """`file` and `line` of GitHub's tools are not lost."""
    said = [
        command(line) for line in ("::error file=a.py,line=3::x", "::notice file=a.py::y", "::warning::z", "::debug::")
    ]
    assert [remark_of(each) for each in said if each] == [
        Remark(level=AnnotationLevel.ERROR, title="a.py:3", text="x"),
        Remark(level=AnnotationLevel.NOTICE, title="a.py", text="y"),
        Remark(level=AnnotationLevel.WARNING, title="", text="z"),
        None,
    ]


@given(st.text(), st.text(), st.text())
def test_what_a_tool_escapes_comes_back(title: str, text: str, other: str) -> None:
    """Escaped as GitHub's toolkit does it, any text comes through; no line at all breaks the reader."""

    def escaped(value: str, *more: str) -> str:
        for character in ("%", "\r", "\n", *more):
            value = value.replace(character, f"%{ord(character):02X}")
        return value

    found = command(f"::error title={escaped(title, ':', ',')}::{escaped(text)}")
    assert found is not None
    assert found.text == text
    if title.strip() == title and title:
        assert found.values == {"title": title}
    LineReader().read(other)
    split_line("::" + other)
