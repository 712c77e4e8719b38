"""Secrets out of a bot's output, before it is stored (core.md §3, reliability.md S15). Best effort by its nature.

    patterns = PatternSet([b"secret"])        what is looked for, shared by the streams of one execution
    masker = Masker(patterns)                 one for each stream
    masker.feed(piece) -> bytes               what is decided      masker.end() -> the rest
    patterns.add([b"another"])                from the bytes that are still held on

| | |
|---|---|
| which forms of a secret are looked for | `encodings.py` |
| finding them, and what may become one | `automaton.py` |
| a stream of pieces | `stream.py` |

What it does not do: a secret that was cut, reversed, compressed, encrypted, encoded twice, or wrapped in the middle is
not found; nor is one whose beginning was written before it was added; nor one of fewer than 4 bytes (`is_maskable`).
"""

from agent.masking.automaton import PatternSet
from agent.masking.encodings import LINE_MIN_BYTES, SECRET_MIN_BYTES, is_maskable, patterns_of
from agent.masking.stream import MASK, Masker, mask_text

__all__ = [
    "LINE_MIN_BYTES",
    "MASK",
    "SECRET_MIN_BYTES",
    "Masker",
    "PatternSet",
    "is_maskable",
    "mask_text",
    "patterns_of",
]
