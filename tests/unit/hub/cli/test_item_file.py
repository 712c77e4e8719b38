"""Files of items as they come from people: every broken line by its number, and those behind it all the same."""

import io
import json
import tracemalloc

import pytest

from hub.cli.failing import Failure
from hub.cli.item_file import Faults, Form, Line, items


def _read(
    raw: bytes, *, kind: str = "csv", delimiter: str = ",", reference: str | None = None
) -> tuple[list[Line], Faults]:
    faults = Faults()
    form = Form(kind=kind, delimiter=delimiter, types={"n": "integer"}, reference=reference)
    return list(items(io.BytesIO(raw), form, faults)), faults


def _payloads(lines: list[Line]) -> list[tuple[int, object]]:
    return [(line.number, line.item["payload"]) for line in lines]


def test_lines_behind_a_broken_quote_are_read() -> None:
    """csv.Error ends nothing: neither in the middle of a line nor where a quote is never closed."""
    lines, faults = _read(b'n,a\n1,x\n2,"y"z\n3,x\n4,"open\n5,x\n6,x\n')
    assert [number for number, _ in _payloads(lines)] == [2, 4, 6, 7]
    assert faults.count == 2
    assert faults.first[0].startswith("line 3: ")
    assert faults.first[1] == "line 5: a quote is opened and never closed"


def test_a_cell_of_several_lines_is_one_item() -> None:
    """It stands where it begins, and those behind it keep their own numbers."""
    lines, faults = _read(b'n,a\r\n1,"x\r\ny"\r\n\r\n2,z\r\n')
    assert _payloads(lines) == [(2, {"n": 1, "a": "x\r\ny"}), (5, {"n": 2, "a": "z"})]
    assert faults.count == 0


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_line_end_and_a_byte_order_mark(end: bytes) -> None:
    """As spreadsheets write them."""
    lines, faults = _read(b"\xef\xbb\xbfn,a" + end + b"1,x" + end + b"2,y")
    assert _payloads(lines) == [(2, {"n": 1, "a": "x"}), (3, {"n": 2, "a": "y"})]
    assert faults.count == 0


def test_only_lf_ends_a_line_of_json() -> None:
    """U+2028, U+0085 and the form feed are text: `str.splitlines` would break the line there."""
    raw = '\ufeff{"a": "x\u2028y\u0085z"}\r\n\x0c\n{"a": 2}'.encode()
    lines, faults = _read(raw, kind="jsonl")
    assert _payloads(lines) == [(1, {"a": "x\u2028y\u0085z"}), (3, {"a": 2})]
    assert faults.count == 0


def test_an_item_comes_with_all_that_it_may_have() -> None:
    """With files too: it is no payload that has a member called payload."""
    whole = {"payload": {"n": 1}, "reference": "a", "files": [{"name": "a.pdf", "sha256": "0" * 64}], "tags": ["x"]}
    lines, faults = _read(json.dumps(whole).encode(), kind="jsonl")
    assert ([line.item for line in lines], faults.count) == ([whole], 0)


def test_a_misspelt_member_is_told() -> None:
    """Nobody wants an item whose payload holds the one that was meant, and a priority that counts for nothing."""
    lines, faults = _read(b'{"payload": {}, "priorty": 9, "0x": 1}\n{"payload": "text", "total": 2}', kind="jsonl")
    assert _payloads(lines) == [(2, {"payload": "text", "total": 2})]
    assert faults.count == 1
    assert faults.first[0].startswith("line 1: an item has no '0x', 'priorty'")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"a": "' + b"\xff" + b'"}', "line 2: not UTF-8"),
        (b"[" * 100_000, "line 2: nested"),
        (b'{"a":' + b"[" * 180 + b"]" * 180 + b"}", "line 2: nested"),
        (b'{"a": NaN}', "line 2: no JSON: NaN"),
        (b'{"a": 1e999}', "line 2: a number is not finite"),
        (rb'{"a": "\ud800"}', "line 2: half a character"),
        (b'{"a": "' + b"x" * 700_000 + b'"}', "line 2: 7"),
        (b'{"a": "' + b"x" * 9_000_000 + b'"}', "line 2: longer than"),
        (b"[1]", "line 2: not an object"),
        (b"{", "line 2: no JSON"),
    ],
)
def test_a_line_that_no_hub_could_read_is_told_here(raw: bytes, told: str) -> None:
    """Sent, it would make the hub refuse the whole slice; those around it are not touched."""
    lines, faults = _read(b'{"n": 1}\n' + raw + b'\n{"n": 3}\n', kind="jsonl")
    assert [line.number for line in lines] == [1, 3]
    assert faults.count == 1
    assert faults.first[0].startswith(told)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"n,,a\n", "column 2 has no name"),
        (b"n,a,n\n", "'n' stands there 2 times"),
        (b"\xff\xfen\x00,\x00", "line 1 is no head line of a CSV: not UTF-8"),
        (b'n,"a\n', "line 1 is no head line of a CSV"),
        (b"n,a\n", "no column 'number'"),
    ],
)
def test_a_head_line_that_names_no_columns(raw: bytes, told: str) -> None:
    """Without it no line means anything."""
    with pytest.raises(Failure) as failed:
        _read(raw, reference="number")
    assert told in " ".join([failed.value.message, *failed.value.details])


def test_an_empty_file_of_json_lines_has_no_items() -> None:
    """A job that found nothing to do says so with it."""
    assert _read(b"", kind="jsonl") == ([], Faults())


def test_long_cells_and_other_delimiters() -> None:
    """More than the standard library takes by itself; what no payload could hold is told by its line."""
    long = b"x" * 200_000
    lines, faults = _read(b"n\ta\n1\t" + long + b"\n2\t" + long + long + b"\n3\ty\n", delimiter="\t")
    assert [line.number for line in lines] == [2, 4]
    assert "a cell has more than" in faults.first[0]


def test_quotes_that_open_on_each_line_cost_no_square() -> None:
    """Each swallows what is behind it up to the limit of a cell; the lines are read again, but not for ever."""
    lines, faults = _read(b"n,a\n" + b'1,"x\n' * 20_000 + b"2,y\n")
    assert faults.count >= 2
    assert len(lines) <= 1


def test_a_long_file_is_never_in_memory() -> None:
    """8,000 lines pass through, one at a time."""
    source = io.BytesIO(b"n,a\n" + b"1,some text of an invoice\n" * 8_000)
    form = Form(kind="csv", delimiter=",", types={}, reference=None)
    tracemalloc.start()
    try:
        assert sum(1 for _ in items(source, form, Faults())) == 8_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
