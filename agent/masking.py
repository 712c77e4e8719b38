"""Secrets out of a bot's output, before it is stored (core.md §3, reliability.md S15). Best effort by its nature.

A `Masker` works on one stream of bytes that comes in pieces of any size, and its result does not depend on the pieces:
every byte that is part of any occurrence of any pattern is covered, and each run of overlapping occurrences becomes
one `***`. Bytes are held back only while they may be the beginning of an occurrence, so never more than the longest
pattern less one; only more input or the end of the stream releases them.

    feed(piece) -> bytes that are decided      end() -> the rest      add(secrets): from the bytes still held on

An automaton finds the occurrences (`ahocorasick_rs`: some 370 MB/s with 250 patterns); a second one, of the first bytes
of each pattern, finds where the end of a piece may begin one.
"""

import json
import re
import shlex
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick

MASK = b"***"
SECRET_MIN_BYTES = 4
"""Shorter secrets are not masked: they would shred the output and still be guessed from what is left."""
LINE_MIN_BYTES = 6
"""Lines of a multi-line secret count from this length on; shorter ones are brackets and blanks."""
_BEGINNING = 4
_XML = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"))
_SHELL_SPECIAL = re.compile(rb"([^A-Za-z0-9_@%+=:,./\n-])")


def is_maskable(secret: bytes) -> bool:
    """Tell whether a secret is long enough to be masked; callers warn about one that is not."""
    return len(secret.strip()) >= SECRET_MIN_BYTES


def patterns_of(secrets: Iterable[bytes]) -> list[bytes]:
    """Return, sorted, each form in which these secrets are looked for: S15's list."""
    found: set[bytes] = set()
    for secret in filter(is_maskable, secrets):
        found.update(_encodings(secret))
        for line in _lines(secret):
            found.update(_encodings(line))
    return sorted(pattern for pattern in found if len(pattern) >= SECRET_MIN_BYTES)


class Masker:
    """Masks one stream. Not thread-safe; one per stream, since what is held back belongs to a stream."""

    def __init__(self, patterns: "PatternSet") -> None:
        self._patterns = patterns
        self._held = b""
        # How many of the held bytes belong to an occurrence whose mask has been given out already.
        self._covered = 0

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for more input."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what is decided."""
        if self._patterns.is_empty:
            return data
        text = self._held + data if self._held else data
        return self._decide(text, self._patterns.first_open(text))

    def end(self) -> bytes:
        """Return what was held back; the stream is over."""
        if self._patterns.is_empty or not self._held:
            return b""
        return self._decide(self._held, len(self._held))

    def _decide(self, text: bytes, until: int) -> bytes:
        """Mask `text`, of which everything before `until` is decided, and hold the rest."""
        spans = self._patterns.occurrences(text)
        if not spans and not self._covered:
            self._held = text[until:]
            return text[:until] if until < len(text) else text
        pieces: list[bytes] = []
        position = 0
        for start, end, is_told in _joined(self._covered, spans):
            if start >= until:
                break
            pieces.append(text[position:start])
            if not is_told:
                pieces.append(MASK)
            position = end
        if position < until:
            pieces.append(text[position:until])
        self._held = text[until:]
        self._covered = max(0, max(position, self._covered) - until)
        return b"".join(pieces)


class _Automata(NamedTuple):
    """What finds these patterns, and their beginnings."""

    patterns: list[bytes]
    whole: BytesAhoCorasick
    beginnings: BytesAhoCorasick


class PatternSet:
    """What is looked for, shared by the maskers of one execution, so that an addition reaches all of them at once."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self._secrets: dict[bytes, None] = {}
        self._patterns: list[bytes] = []
        self._made: _Automata | None = None
        self.add(secrets)

    @property
    def is_empty(self) -> bool:
        """True while nothing is looked for."""
        return not self._patterns

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Everything that was given, in the order of its coming; a new daemon reads it back (core.md §2)."""
        return tuple(self._secrets)

    @property
    def longest_bytes(self) -> int:
        """Length of the longest pattern, 0 when there is none."""
        return max(map(len, self._patterns), default=0)

    def add(self, secrets: Iterable[bytes]) -> None:
        """Look for these too, from now on; bytes that are held back still count."""
        fresh = [secret for secret in secrets if secret not in self._secrets]
        if not fresh:
            return
        self._secrets.update(dict.fromkeys(fresh))
        self._patterns = sorted({*self._patterns, *patterns_of(fresh)})

    def occurrences(self, text: bytes) -> list[tuple[int, int]]:
        """Return (start, end) of each occurrence, overlapping ones too, sorted by start."""
        automaton = self._automata().whole
        # The plain search is the fast one, and most output holds no secret.
        if not automaton.find_matches_as_indexes(text):
            return []
        found = automaton.find_matches_as_indexes(text, overlapping=True)
        return sorted((start, end) for _, start, end in found)

    def _automata(self) -> "_Automata":
        """Made when first asked: who only keeps the secrets, or sees no output, need not wait for them.

        Good only for the very list that they were made from: another thread may add while this one makes them.
        """
        patterns, made = self._patterns, self._made
        if made is None or made.patterns is not patterns:
            beginnings = sorted({pattern[:_BEGINNING] for pattern in patterns})
            made = _Automata(patterns, BytesAhoCorasick(patterns), BytesAhoCorasick(beginnings))
            self._made = made
        return made

    def first_open(self, text: bytes) -> int:
        """Return the first position from which the rest of `text` may be the beginning of an occurrence."""
        tail = max(0, len(text) - self.longest_bytes + 1)
        for start in self._candidates(text, tail):
            if self._begins(text[start:]):
                return start
        return len(text)

    def _candidates(self, text: bytes, tail: int) -> Iterator[int]:
        found = self._automata().beginnings.find_matches_as_indexes(text[tail:], overlapping=True)
        yield from sorted({tail + start for _, start, _ in found})
        # A rest that is shorter than a beginning is not found by their automaton.
        yield from range(max(tail, len(text) - _BEGINNING + 1), len(text))

    def _begins(self, rest: bytes) -> bool:
        """Tell whether a pattern is longer than `rest` and begins with it."""
        index = bisect_left(self._patterns, rest)
        if index < len(self._patterns) and self._patterns[index] == rest:
            index += 1
        return index < len(self._patterns) and self._patterns[index].startswith(rest)


def mask_text(text: str, patterns: PatternSet) -> str:
    """Mask a whole text, such as the message of a report or an alert."""
    masker = Masker(patterns)
    data = text.encode("utf-8", "surrogatepass")
    return (masker.feed(data) + masker.end()).decode("utf-8", "replace")


def _lines(secret: bytes) -> list[bytes]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= LINE_MIN_BYTES] if len(lines) > 1 else []


def _joined(covered: int, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """Join occurrences that share bytes; the third says that the mask was given out before."""
    start, end, is_told = 0, covered, True
    for span_start, span_end in spans:
        if span_start < end:
            end = max(end, span_end)
            continue
        if end > start:
            yield start, end, is_told
        start, end, is_told = span_start, span_end, False
    if end > start:
        yield start, end, is_told


def _encodings(secret: bytes) -> set[bytes]:
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    found.update(_base64_forms(secret))
    found.update(_percent_forms(secret))
    found.update(_xml_forms(secret))
    found.add(secret.replace(b"'", b"'\"'\"'"))
    found.add(secret.replace(b"'", b"'\\''"))
    found.add(_SHELL_SPECIAL.sub(rb"\\\1", secret))
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return found
    found.add(text.encode("utf-16-le"))
    found.update(_json_forms(text))
    found.add(shlex.quote(text).encode())
    return found


def _base64_forms(secret: bytes) -> set[bytes]:
    """The characters that stand fast whatever comes before and after, at each of the three alignments."""
    found = set()
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret).rstrip(b"=")
        first = (before * 8 + 5) // 6
        last = (before + len(secret)) * 8 // 6
        whole = encoded[first:last]
        found.add(whole)
        found.add(whole.replace(b"+", b"-").replace(b"/", b"_"))
    return found


def _percent_forms(secret: bytes) -> set[bytes]:
    forms = {quote(secret, safe="").encode(), quote(secret).encode(), quote_plus(secret).encode()}
    lower = {re.sub(rb"%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in forms}
    whole = b"".join(b"%%%02X" % byte for byte in secret)
    return {*forms, *lower, whole, whole.lower()}


def _xml_forms(secret: bytes) -> set[bytes]:
    plain = secret
    for character, escape in _XML:
        plain = plain.replace(character, escape)
    doubles = (b'"', b"&quot;", b"&#34;")
    singles = (b"'", b"&apos;", b"&#39;", b"&#x27;")
    return {plain.replace(b'"', double).replace(b"'", single) for double in doubles for single in singles}


def _json_forms(text: str) -> set[bytes]:
    ascii_only = json.dumps(text)[1:-1]
    forms = {ascii_only, json.dumps(text, ensure_ascii=False)[1:-1], ascii(text)[1:-1], repr(text)[1:-1]}
    forms |= {re.sub(r"\\u[0-9a-f]{4}", lambda match: "\\u" + match[0][2:].upper(), form) for form in set(forms)}
    forms |= {form.replace("/", "\\/") for form in set(forms)}
    return {form.encode() for form in forms}
