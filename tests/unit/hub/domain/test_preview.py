"""What a person sees of a file without fetching it: total for any bytes, bounded, and harmless (S29)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.preview import (
    CELL_MAX,
    COLUMNS_MAX,
    HEAD_BYTES,
    IMAGE_MAX_BYTES,
    LINE_MAX,
    PreviewKind,
    image_media,
    preview,
)

NAMES = st.sampled_from(["a.txt", "a.json", "a.csv", "a.tsv", "a", "a.CSV", ".json", "a.svg", "a.html"])


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.txt", b"hello\n", PreviewKind.TEXT),
        ("a.txt", b"", PreviewKind.TEXT),
        ("a.bin", b"a\0b", PreviewKind.NONE),
        ("a.json", b'{"a": 1}', PreviewKind.JSON),
        ("a.json", b"{not json", PreviewKind.TEXT),
        ("a.json", b"[" * 100_000, PreviewKind.TEXT),
        ("a.csv", b"a,b\n1,2\n", PreviewKind.TABLE),
        ("a.csv", b"\xff\xfea\0,\0b\0\n\0", PreviewKind.TABLE),
        ("a.svg", b"<svg/>", PreviewKind.TEXT),
        ("a.png", b"\x89PNG\r\n\x1a\n\0", PreviewKind.IMAGE),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", PreviewKind.IMAGE),
        ("a", b"RIFF\0\0\0\0WAVE", PreviewKind.NONE),
        ("a.txt", b"GIF89a\0", PreviewKind.IMAGE),
        ("a.jpg", b"\xff\xd8\xff\xe0\0", PreviewKind.IMAGE),
    ],
)
def test_each_kind_is_known_by_its_bytes(name: str, head: bytes, kind: PreviewKind) -> None:
    assert kind is preview(name, head, len(head), 100).kind


def test_a_picture_that_is_too_large_is_only_described() -> None:
    found = preview("a.png", b"\x89PNG\r\n\x1a\n\0", IMAGE_MAX_BYTES + 1, 100)
    assert (PreviewKind.NONE, True) == (found.kind, found.is_cut)


def test_half_a_file_shows_no_half_character_and_no_half_row() -> None:
    head = b"name,city\nA,M\xc3\xbcnchen\nB,K\xc3"
    assert (("name", "city"), ("A", "München")) == preview("a.csv", head, 10 * len(head), 100).rows
    assert "B,K" == preview("a.txt", head, 10 * len(head), 100).lines[-1]
    assert preview("a.json", b'{"a": [1,', 1_000_000, 10).kind is PreviewKind.TEXT


@given(name=NAMES, head=st.binary(max_size=3000), more=st.sampled_from([0, 1, 10**9]), limit=st.integers(1, 20))
def test_any_bytes_have_a_bounded_preview(name: str, head: bytes, more: int, limit: int) -> None:
    """G8: no input makes it fail, and none makes it large."""
    found = preview(name, head, len(head) + more, limit)
    assert max(len(found.lines), len(found.rows)) <= limit
    assert all(len(line) <= LINE_MAX for line in found.lines)
    assert all(len(row) <= COLUMNS_MAX and all(len(cell) <= CELL_MAX for cell in row) for row in found.rows)
    assert bool(found.media) == bool(image_media(head))


def test_what_is_cut_says_so() -> None:
    long = b"x" * (LINE_MAX + 1)
    assert preview("a.txt", long, len(long), 10).is_cut
    assert preview("a.txt", b"1\n2\n3\n", 6, 2).is_cut
    assert preview("a.csv", b"1\n2\n3\n", 6, 2).is_cut
    assert preview("a.csv", b",".join([b"1"] * 200), 400, 2).is_cut
    assert preview("a.txt", b"x" * HEAD_BYTES, HEAD_BYTES + 1, 2).is_cut
    assert not preview("a.txt", b"1\n2\n", 4, 2).is_cut
    assert not preview("a.csv", b"1\n2\n", 4, 2).is_cut
