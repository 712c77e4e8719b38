"""Masking one stream of bytes that comes in pieces of any size; the result does not depend on the pieces.

Every byte that is part of any occurrence of any pattern is covered, and each run of overlapping occurrences becomes one
`***`. Bytes are held back only while they may be the beginning of an occurrence, so never more than the longest pattern
less one; only more input or the end of the stream releases them.
"""

from collections.abc import Iterator

from agent.masking.automaton import PatternSet, Span, look

MASK = b"***"


class Masker:
    """Masks one stream. Not thread-safe; one per stream, since what is held back belongs to a stream."""

    def __init__(self, patterns: PatternSet) -> None:
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
        automata = self._patterns.automata()
        if not automata:
            return data
        text = self._held + data if self._held else data
        return self._decide(text, *look(automata, text))

    def end(self) -> bytes:
        """Return what was held back; the stream is over."""
        if not self._held:
            return b""
        spans, _ = look(self._patterns.automata(), self._held)
        return self._decide(self._held, spans, len(self._held))

    def _decide(self, text: bytes, spans: list[Span], until: int) -> bytes:
        """Mask `text`, of which everything before `until` is decided, and hold the rest."""
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


def mask_text(text: str, patterns: PatternSet) -> str:
    """Mask a whole text, such as the message of a report or an alert."""
    masker = Masker(patterns)
    data = text.encode("utf-8", "surrogatepass")
    return (masker.feed(data) + masker.end()).decode("utf-8", "replace")


def _joined(covered: int, spans: list[Span]) -> Iterator[tuple[int, int, bool]]:
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
