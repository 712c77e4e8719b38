"""Masking: what is covered, what is held back, and that pieces make no difference (S15, core.md §3)."""

import html
import json
import shlex
import time
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.masking import MASK, Masker, PatternSet, is_maskable, mask_text, patterns_of

SECRET = "p<a>s\"s&w'ö/rd %1+2$"


def masked(data: bytes, *secrets: bytes) -> bytes:
    """Mask `data` in one piece."""
    masker = Masker(PatternSet(secrets))
    return masker.feed(data) + masker.end()


@pytest.mark.parametrize(
    "form",
    [
        SECRET.encode(),
        quote(SECRET).encode(),
        quote(SECRET, safe="").encode(),
        quote_plus(SECRET).encode(),
        quote(SECRET, safe="").lower().encode(),
        json.dumps(SECRET)[1:-1].encode(),
        json.dumps(SECRET, ensure_ascii=False)[1:-1].encode(),
        json.dumps(SECRET)[1:-1].replace("/", "\\/").encode(),
        html.escape(SECRET).encode(),
        html.escape(SECRET, quote=False).encode(),
        shlex.quote(SECRET)[1:-1].encode(),
        repr(SECRET)[1:-1].encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        SECRET.encode("utf-16-le"),
    ],
    ids=lambda form: form[:24].decode("latin-1"),
)
def test_each_form_of_a_secret_is_masked(form: bytes) -> None:
    """Raw, percent, JSON, XML, shell, hex, UTF-16LE: S15's list."""
    assert masked(b"before " + form + b" after", SECRET.encode()) == b"before " + MASK + b" after"


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_base64_is_masked_at_each_alignment(before: int, after: int, encode: type[bytes]) -> None:
    """Whatever is encoded together with the secret, at most a character or two at its rim tell anything (S15)."""
    secret = b"\xfb\xff\xbesecret-value>>>???"
    text = encode(b"a" * before + secret + b"z" * after)
    result = masked(text, secret)
    assert MASK in result
    assert len(result) - len(MASK) <= len(text) - (len(secret) * 8 // 6 - 2)


def test_lines_of_a_secret_are_secrets() -> None:
    """A key that is printed with a prefix on each line is masked line by line (S15)."""
    key = b"-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n}\n"
    output = b"> MIIEvQIBADANBg\r\n> kqhkiG9w0BAQEF\r\n> }\r\n"
    assert masked(output, key) == b"> ***\r\n> ***\r\n> }\r\n"


def test_short_secrets_are_not_masked() -> None:
    """A secret of one or two characters would shred the output."""
    assert masked(b"1 of 10 done", b"1", b"do", b"   ") == b"1 of 10 done"
    assert not is_maskable(b"abc")
    assert is_maskable(b"abcd")
    assert patterns_of([b"abc"]) == []


def test_overlapping_secrets_leave_nothing() -> None:
    """Every byte of every occurrence is covered, also where two share bytes."""
    assert masked(b"<abcdefgh>", b"abcdef", b"defgh") == b"<***>"
    assert masked(b"abcdabcd", b"abcd") == b"******"
    assert masked(b"aaaaaaaaaa", b"aaaa") == b"***"


def test_nothing_is_held_back_that_cannot_become_a_secret() -> None:
    """A line is shown at once; only a beginning of a secret waits, for input or the end (core.md §3)."""
    masker = Masker(PatternSet([b"correct horse"]))
    assert masker.feed(b"Processing invoice 5\n") == b"Processing invoice 5\n"
    assert masker.feed(b"more corre") == b"more "
    assert masker.held_bytes == len(b"corre")
    assert masker.feed(b"lation") == b"correlation"
    assert masker.feed(b"corr") == b""
    assert masker.end() == b"corr"


def test_a_piece_of_nothing_changes_nothing() -> None:
    """A held byte that belongs to a mask given out already stays covered (found by hypothesis)."""
    masker = Masker(PatternSet([b"abcdg", b"ghij"]))
    assert masker.feed(b"abcdg") + masker.feed(b"") + masker.feed(b"h") + masker.feed(b"") + masker.end() == b"***h"


def test_an_addition_counts_for_what_is_held() -> None:
    """Mid-run additions mask from the bytes still held on (S15)."""
    patterns = PatternSet([b"abcdef"])
    masker = Masker(patterns)
    assert masker.feed(b"xxabcde") == b"xx"
    patterns.add([b"cdeZ"])
    assert masker.feed(b"Z.") == b"ab***."
    assert patterns.secrets == (b"abcdef", b"cdeZ")


def test_an_addition_reaches_a_stream_without_patterns() -> None:
    """A set that was empty may be filled while the bot runs."""
    patterns = PatternSet()
    masker = Masker(patterns)
    assert masker.feed(b"token-1 ") == b"token-1 "
    patterns.add([b"token-1"])
    assert masker.feed(b"token-1 ") == b"*** "


def test_texts_are_masked_too() -> None:
    """Messages of reports and alerts pass the same patterns (core.md §3)."""
    assert mask_text("log-in with hünter2 failed", PatternSet(["hünter2".encode()])) == "log-in with *** failed"


secrets = st.lists(
    st.binary(min_size=4, max_size=12) | st.text("ab", min_size=4, max_size=8).map(str.encode), max_size=4
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes, list[int]]:
    """Secrets, an output in which they and their beginnings occur, and where it is cut."""
    chosen = draw(secrets)
    forms = patterns_of(chosen) or [b"none"]
    parts = st.one_of(
        st.binary(max_size=6),
        st.text("ab", max_size=8).map(str.encode),
        st.sampled_from(forms),
        st.sampled_from(forms).flatmap(lambda form: st.integers(0, len(form)).map(lambda cut: form[:cut])),
        st.sampled_from(forms).flatmap(lambda form: st.integers(0, len(form)).map(lambda cut: form[cut:])),
    )
    data = b"".join(draw(st.lists(parts, max_size=12)))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    return chosen, data, cuts


def by_definition(data: bytes, patterns: list[bytes]) -> bytes:
    """Cover each byte of each occurrence; overlapping occurrences are one run."""
    spans = sorted(
        (at, at + len(pattern)) for pattern in patterns for at in range(len(data)) if data.startswith(pattern, at)
    )
    result, position = b"", 0
    while spans:
        start, end = spans.pop(0)
        while spans and spans[0][0] < end:
            end = max(end, spans.pop(0)[1])
        result += data[position:start] + MASK
        position = end
    return result + data[position:]


@given(streams())
def test_pieces_make_no_difference(case: tuple[list[bytes], bytes, list[int]]) -> None:
    """Random chunking never changes the result, which is what the definition says (S15, T-Hypothesis)."""
    chosen, data, cuts = case
    patterns = PatternSet(chosen)
    masker = Masker(patterns)
    pieces = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        pieces.append(masker.feed(data[start:end]))
        assert masker.held_bytes <= max(0, patterns.longest_bytes - 1)
    result = b"".join(pieces) + masker.end()
    assert result == by_definition(data, patterns_of(chosen))


def test_throughput_is_that_of_an_automaton() -> None:
    """Printed for the report; fails only when something is wrong by an order of magnitude."""
    patterns = PatternSet(f"secret-{number}-{number * 7919:x}".encode() for number in range(10))
    masker = Masker(patterns)
    line = b"2026-01-01 12:00:00 INFO Processing invoice 4711 of 20000: ok, total 12.50 EUR\n"
    piece = (line * 1000)[: 64 * 1024]
    began = time.perf_counter()
    for _ in range(300):
        masker.feed(piece)
    rate = 300 * len(piece) / (time.perf_counter() - began) / 1e6
    print(f"masking: {rate:.0f} MB/s with {len(patterns_of(patterns.secrets))} patterns")
    assert rate > 20
