"""``BOTYARD_OUTPUT`` in GitHub's grammar (`bot-packages.md` §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.output_file import OUTPUT_FILE_MAX_BYTES, Fault, read_outputs


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n\n  \n", {}),
        ("a=1\n", {"a": "1"}),
        ("a=1", {"a": "1"}),
        ("a=\n", {"a": ""}),
        ("a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("a=x=y\n", {"a": "x=y"}),
        ("a=b<<c\n", {"a": "b<<c"}),
        (" a = 1 \n", {" a ": " 1 "}),
        ("a=1\na=2\n", {"a": "2"}),
        ("a<<END\none\ntwo\nEND\n", {"a": "one\ntwo"}),
        ("a<<END\r\none\r\ntwo\r\nEND\r\nb=2\r\n", {"a": "one\r\ntwo", "b": "2"}),
        ("a<<END\nEND\n", {"a": ""}),
        ("a<<END\n\nEND", {"a": ""}),
        ("a<<END\n\n\nEND", {"a": "\n"}),
        ("a<<END\nx=1\nENDE\n END\nEND\n", {"a": "x=1\nENDE\n END"}),
        ("a<<=\nx\n=\n", {"a": "x"}),
        ("ä=ö\n", {"ä": "ö"}),
    ],
)
def test_what_githubs_tools_write_is_read(text: str, values: dict[str, str]) -> None:
    """name=value, and blocks; LF and CRLF; the later of two counts."""
    found = read_outputs(text.encode())
    assert (values, []) == (found.values, found.faults)


@pytest.mark.parametrize(
    ("text", "values", "line", "why"),
    [
        ("a=1\nnothing\nb=2\n", {"a": "1", "b": "2"}, 2, "neither name=value nor name<<END"),
        ("=1\na=1\n", {"a": "1"}, 1, "the name is empty"),
        ("<<END\nx\nEND\na=1\n", {"a": "1"}, 1, "the name is empty"),
        ("a=1\nb<<END\nx\n", {"a": "1"}, 2, "no line 'END' ends the block of 'b'"),
        ("a<<\nb=1\n", {"b": "1"}, 1, "no word follows <<"),
        ("x" * 300 + "=1\n", {}, 1, "the name is longer than 256 characters"),
    ],
)
def test_a_line_that_says_nothing_is_named_and_costs_no_other(
    text: str, values: dict[str, str], line: int, why: str
) -> None:
    """G5: one warning that names the line; what can be read counts."""
    found = read_outputs(text.encode())
    assert (values, [Fault(line, why)]) == (found.values, found.faults)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_powershell_is_read_by_its_mark(encoding: str) -> None:
    """Windows PowerShell's ``>`` writes UTF-16."""
    assert {"a": "ö"} == read_outputs("a=ö\r\n".encode(encoding)).values


def test_what_is_behind_a_mebibyte_is_not_read_and_no_line_is_cut() -> None:
    """The last line may go on behind it, so it is left out."""
    found = read_outputs(b"a=1\nb=" + b"x" * OUTPUT_FILE_MAX_BYTES)
    assert {"a": "1"} == found.values
    assert [0] == [fault.line for fault in found.faults]


NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name.strip() and not set(name) & set("=<\r\n\ufeff"))
VALUES = st.text(max_size=200)


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_in_blocks_comes_back(outputs: dict[str, str], newline: str) -> None:
    """A value of any text, but for a line break of the other kind at its end."""
    end = "a line that nobody writes"
    outputs = {name: value.rstrip("\r") for name, value in outputs.items()}
    text = "".join(f"{name}<<{end}{newline}{value}{newline}{end}{newline}" for name, value in outputs.items())

    found = read_outputs(text.encode())

    assert (outputs, []) == (found.values, found.faults)


@given(st.binary(max_size=400))
def test_garbage_is_never_an_error(data: bytes) -> None:
    """P13: reading is total; every fault is of a line that is there."""
    found = read_outputs(data)
    assert all(name.strip() and isinstance(value, str) for name, value in found.values.items())
    assert all(1 <= fault.line <= data.count(b"\n") + data.count(b"\x0a\x00") + 1 for fault in found.faults)
