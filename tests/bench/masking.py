"""What masking costs: realistic log text in 64 KiB pieces through one masker with 30 secrets in all their forms.

One core, CPU seconds: `masking_mb_per_s` is what the shim can pass at most. Beside it the worst cases: text that is
full of secrets, and of what only begins like one; and what the first look and an addition in mid-run cost.

    python -m tests.bench.masking
"""

import random
import time
from collections.abc import Sequence

from agent.masking import Masker, PatternSet, patterns_of
from agent.shim.lines import LineDesk, LineScan

_PIECE_BYTES = 64 * 1024
_SECRETS = 30
_SEED = 7
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def masking(seconds: float = 1.0) -> dict[str, float]:
    """Measure everything; each rate takes about so many CPU seconds. MB are 10^6 bytes."""
    secrets = seeded_secrets()
    log = log_text()
    lines = log.splitlines(keepends=True)
    near = b"".join(secret[:-1] + b"# " + line for secret, line in zip(secrets * 200, lines, strict=False))
    full = b"".join(secret + b" " + line for secret, line in zip(secrets * 200, lines, strict=False))
    began = time.process_time()
    patterns = PatternSet(secrets)
    patterns.automata()
    first_s = time.process_time() - began
    figures = {
        "masking_mb_per_s": _rate(log, patterns, seconds),
        "masking_near_mb_per_s": _rate(near, patterns, seconds),
        "masking_hits_mb_per_s": _rate(full, patterns, seconds),
        "masking_patterns": float(len(patterns_of(secrets))),
        "masking_first_ms": first_s * 1000,
        "line_scan_mb_per_s": _scan_rate(log, seconds),
    }
    began = time.process_time()
    patterns.add([b"added-in-mid-run:7f3a"])
    patterns.automata()
    figures["masking_addition_ms"] = (time.process_time() - began) * 1000
    figures["masking_added_mb_per_s"] = _rate(log, patterns, seconds)
    return figures


def seeded_secrets() -> list[bytes]:
    """Thirty as they are found in practice: keys, tokens, passwords with odd characters, addresses with a password."""
    dice = random.Random(_SEED)

    def word(length: int) -> str:
        return "".join(dice.choice(_LETTERS) for _ in range(length))

    makers = (
        lambda: word(43),
        lambda: f"P@{word(3)}<w>&\"'/ö{word(2)}%$!",
        lambda: dice.randbytes(20).hex(),
        lambda: f"AKIA{word(16).upper()}",
        lambda: f"postgres://bot:{word(16)}@db.example.com:5432/prod?x=1&y=2",
    )
    return [makers[number % len(makers)]().encode() for number in range(_SECRETS)]


def log_text() -> bytes:
    """A few thousand lines as bots write them, some 800 KB."""
    return "".join(
        f"2026-01-01 12:00:{number % 60:02d},{number % 1000:03d} INFO  worker-{number % 7} Processing invoice "
        f'{4711 + number} of 20000: ok, total {number * 1.37:.2f} EUR, customer="Müller & Söhne" '
        f"https://example.com/api/v1/items/{number}?page=2\n"
        for number in range(5000)
    ).encode()


def _rate(text: bytes, patterns: PatternSet, seconds: float) -> float:
    masker, pieces, fed = Masker(patterns), _pieces(text), 0
    began = time.process_time()
    while (taken := time.process_time() - began) < seconds:
        for piece in pieces:
            masker.feed(piece)
        fed += len(text)
    return fed / taken / 1e6


def _scan_rate(text: bytes, seconds: float) -> float:
    """The search for `::x::` lines alone."""
    none = PatternSet()
    scan, pieces, fed = LineScan(LineDesk(none.add, none, lambda _: None)), _pieces(text), 0
    began = time.process_time()
    while (taken := time.process_time() - began) < seconds:
        for piece in pieces:
            for _ in scan.feed(piece):
                pass
        fed += len(text)
    return fed / taken / 1e6


def _pieces(text: bytes) -> Sequence[bytes]:
    return [text[at : at + _PIECE_BYTES] for at in range(0, len(text), _PIECE_BYTES)]


if __name__ == "__main__":
    for name, value in masking().items():
        print(f"{name:<24} {value:10.1f}")
