"""What a person sees of a file without fetching it: its first lines, its rows, itself when it is a small picture.

Only what is certain to be harmless is shown as it is: four raster formats, known by their first bytes and not by what
the bot called them (S29). SVG is text here: it may hold scripts. Pure; the caller reads `HEAD_BYTES` of the file.
"""

import codecs
import csv
import itertools
import json
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 256 * 1024
"""As much of a file as a preview is made of."""
IMAGE_MAX_BYTES = 5 * 1024 * 1024
"""A larger picture is only described."""
LINE_MAX = 2000
CELL_MAX = 500
COLUMNS_MAX = 100
_DELIMITERS = ",;\t|"
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class PreviewKind(StrEnum):
    """How a file is shown."""

    TEXT = "text"
    JSON = "json"
    TABLE = "table"
    IMAGE = "image"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A file's beginning as it is shown; `NONE` shows nothing but what is known of the file."""

    kind: PreviewKind
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    media: str = ""
    """Of an image."""
    is_cut: bool = False
    """There is more of it."""


def preview(name: str, head: bytes, size_bytes: int, limit: int) -> Preview:
    """The preview of a file whose first `HEAD_BYTES` are `head`: at most `limit` lines or rows."""
    media = image_media(head)
    if media:
        is_small = size_bytes <= IMAGE_MAX_BYTES
        return Preview(kind=PreviewKind.IMAGE if is_small else PreviewKind.NONE, media=media, is_cut=not is_small)
    text = _text(head, is_whole=size_bytes <= len(head))
    if text is None:
        return Preview(kind=PreviewKind.NONE, is_cut=size_bytes > 0)
    is_whole = size_bytes <= len(head)
    ending = name.lower().rpartition(".")[2]
    if ending == "json" and is_whole:
        pretty = _pretty(text)
        if pretty is not None:
            return _lines(PreviewKind.JSON, pretty, limit, is_whole=True)
    if ending in {"csv", "tsv"}:
        return _table(text, limit, is_whole=is_whole)
    return _lines(PreviewKind.TEXT, text, limit, is_whole=is_whole)


def image_media(head: bytes) -> str:
    """The media type of a picture that browsers may show, by its first bytes; empty for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media for start, media in _IMAGES if head.startswith(start)), "")


def _text(head: bytes, *, is_whole: bool) -> str | None:
    """The bytes as text; None when they are none."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="replace")
    if b"\0" in head:
        return None
    # A character may be cut at the end of what was read; anything else that is no UTF-8 is shown as such.
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    return decoder.decode(head, final=is_whole)


def _pretty(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _lines(kind: PreviewKind, text: str, limit: int, *, is_whole: bool) -> Preview:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    shown = [line.rstrip("\r") for line in lines[:limit]]
    is_cut = not is_whole or len(lines) > limit or any(len(line) > LINE_MAX for line in shown)
    return Preview(kind=kind, lines=tuple(line[:LINE_MAX] for line in shown), is_cut=is_cut)


def _table(text: str, limit: int, *, is_whole: bool) -> Preview:
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    lines = text.splitlines(keepends=True)
    if not is_whole and lines:
        lines.pop()  # Probably half a row.
    try:
        rows = list(itertools.islice(csv.reader(lines, delimiter=delimiter), limit + 1))
    except csv.Error:
        return _lines(PreviewKind.TEXT, text, limit, is_whole=is_whole)
    shown = tuple(tuple(cell[:CELL_MAX] for cell in row[:COLUMNS_MAX]) for row in rows[:limit])
    is_narrowed = any(len(row) > COLUMNS_MAX or any(len(cell) > CELL_MAX for cell in row) for row in rows[:limit])
    return Preview(kind=PreviewKind.TABLE, rows=shown, is_cut=not is_whole or len(rows) > limit or is_narrowed)
