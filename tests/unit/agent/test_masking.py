"""Masking: what is covered, what is held back, and that pieces make no difference (S15, core.md §3)."""

import html
import json
import shlex
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.masking import MASK, Masker, PatternSet, is_maskable, mask_text, patterns_of

SECRET = "p<a>s\"s&w'ö/rd %1+2$\\"


def masked(data: bytes, *secrets: bytes) -> bytes:
    """Mask `data` in one piece."""
    masker = Masker(PatternSet(secrets))
    return masker.feed(data) + masker.end()


def references(text: str, form: str, *, every: bool = True) -> str:
    """XML references as tools write them."""
    return "".join(form.format(ord(one)) if every or not (one.isalnum() and one.isascii()) else one for one in text)


FORMS = {
    "raw": SECRET.encode(),
    "percent": quote(SECRET).encode(),
    "percent, nothing safe": quote(SECRET, safe="").encode(),
    "percent, form": quote_plus(SECRET).encode(),
    "percent, small letters": quote(SECRET, safe="").lower().encode(),
    "percent, JavaScript's component": quote(SECRET, safe="-_.!~*'()").encode(),
    "percent, JavaScript's URI": quote(SECRET, safe="-_.!~*'();/?:@&=+$,#").encode(),
    "percent, every byte": "".join(f"%{byte:02X}" for byte in SECRET.encode()).encode(),
    "percent, every byte, small": "".join(f"%{byte:02x}" for byte in SECRET.encode()).encode(),
    "JSON": json.dumps(SECRET)[1:-1].encode(),
    "JSON, UTF-8": json.dumps(SECRET, ensure_ascii=False)[1:-1].encode(),
    "JSON, slash": json.dumps(SECRET)[1:-1].replace("/", "\\/").encode(),
    "JSON, as Go": json.dumps(SECRET, ensure_ascii=False)[1:-1]
    .replace("<", "\\u003c")
    .replace(">", "\\u003e")
    .replace("&", "\\u0026")
    .encode(),
    "JSON, as .NET": "".join(
        one if (one.isalnum() and one.isascii()) or one in "/ %$" else "\\\\" if one == "\\" else f"\\u{ord(one):04X}"
        for one in SECRET
    ).encode(),
    "JSON, every character": "".join(f"\\u{ord(one):04x}" for one in SECRET).encode(),
    "JSON in JSON": json.dumps(json.dumps(SECRET))[3:-3].encode(),
    "HTML": html.escape(SECRET).encode(),
    "HTML, no quotes": html.escape(SECRET, quote=False).encode(),
    "XML": html.escape(SECRET, quote=False).replace('"', "&quot;").replace("'", "&apos;").encode(),
    "HTML, every character": references(SECRET, "&#{0};").encode(),
    "HTML, every character, hexadecimal": references(SECRET, "&#x{0:x};").encode(),
    "HTML, every character, HEXADECIMAL": references(SECRET, "&#x{0:X};").encode(),
    "HTML, ASCII": html.escape(SECRET).encode("ascii", "xmlcharrefreplace"),
    "shell": shlex.quote(SECRET)[1:-1].encode(),
    "shell, as set prints": SECRET.replace("'", "'\\''").encode(),
    "shell, backslashes": "".join(one if one.isalnum() or one in "/%+" else "\\" + one for one in SECRET).encode(),
    "shell, $'…'": SECRET.replace("\\", "\\\\").replace("'", "\\'").encode(),
    "shell, $'…', octal": SECRET.replace("\\", "\\\\").replace("'", "\\'").replace("ö", "\\303\\266").encode(),
    "shell, double quotes": "".join("\\" + one if one in '"$`\\' else one for one in SECRET).encode(),
    "SQL, PowerShell": SECRET.replace("'", "''").encode(),
    "CSV": SECRET.replace('"', '""').encode(),
    "Python": repr(SECRET)[1:-1].encode(),
    "Python, ASCII": ascii(SECRET)[1:-1].encode(),
    "Python, bytes": repr(SECRET.encode())[2:-1].encode(),
    "hex": SECRET.encode().hex().encode(),
    "HEX": SECRET.encode().hex().upper().encode(),
    "UTF-16LE": SECRET.encode("utf-16-le"),
    "UTF-16BE": SECRET.encode("utf-16-be"),
    "Windows": SECRET.encode("cp1252"),
    "DOS": SECRET.encode("cp850"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_of_a_secret_is_masked(form: bytes) -> None:
    """Raw, percent, JSON, XML, shell, hex, UTF-16: S15's list, in the dialects that tools write."""
    assert masked(b"before " + form + b" after", SECRET.encode()) == b"before " + MASK + b" after"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_is_masked_wherever_it_is_cut(form: bytes) -> None:
    """Split at every byte, whether both parts come together or not (S15)."""
    data, patterns = b"<" + form + b">", PatternSet([SECRET.encode()])
    for cut in range(len(data) + 1):
        masker = Masker(patterns)
        assert masker.feed(data[:cut]) + masker.feed(data[cut:]) + masker.end() == b"<***>"


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


def test_a_secret_with_blanks_around_it_is_found_without_them() -> None:
    """One that was read from a file has a newline at its end, and is used without it."""
    assert masked(b"log in with hunter2.", b"hunter2\n") == b"log in with ***."
    assert masked(b"log in with hunter2.", b"  hunter2 \r\n") == b"log in with ***."


def test_stars_are_no_secret() -> None:
    """Somebody masks what was masked before: that must not mask masks."""
    assert not is_maskable(b"****")
    assert not is_maskable(b"***\n***")
    assert masked(b"**** *****", b"****", b"*****") == b"**** *****"


@pytest.mark.parametrize(
    ("secrets", "data", "expected"),
    [
        ((b"abcd", b"abcdefgh"), b"abcdefgh abcdefg abcd", b"*** ***efg ***"),
        ((b"cdef", b"abcdefgh"), b"abcdefgh abcdefg", b"*** ab***g"),
        ((b"efgh", b"abcdefgh"), b"abcdefgh defgh", b"*** d***"),
        ((b"abcdef", b"defghi", b"ghijkl"), b"abcdefghijkl", b"***"),
        ((b"passw0rd", b64encode(b"passw0rd")), b64encode(b64encode(b"passw0rd")), b"***"),
        ((b"passw0rd", b"passw0rd".hex().encode()), b"passw0rd 7061737377307264", b"*** ***"),
        ((b"a%20b", b"a b c"), b"a%20b%20c a%2520b", b"*** ***"),
        ((b"abcd" * 20, b"abcd" * 20 + b"x"), b"abcd" * 20 + b"x", b"***"),
        (
            (b"abcdefghijkl-1", b"abcdefghijkl-2"),
            b"abcdefghijkl-1abcdefghijkl-2abcdefghijkl-3",
            b"******abcdefghijkl-3",
        ),
    ],
)
def test_secrets_that_lie_in_one_another(secrets: tuple[bytes, ...], data: bytes, expected: bytes) -> None:
    """Prefixes, middles, ends and encodings of each other: every byte of every one is covered, however it is cut."""
    assert masked(data, *secrets) == expected
    for cut in range(len(data) + 1):
        masker = Masker(PatternSet(secrets))
        assert masker.feed(data[:cut]) + masker.feed(data[cut:]) + masker.end() == expected


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


def test_an_addition_whose_beginning_is_written_is_masked_from_its_next_use() -> None:
    """What was given out cannot be taken back; best effort by its nature (S15)."""
    patterns = PatternSet([b"other-1"])
    masker = Masker(patterns)
    assert masker.feed(b"hunt") == b"hunt"
    patterns.add([b"hunter2"])
    assert masker.feed(b"er2 hunter2") + masker.end() == b"er2 ***"


def test_many_additions_make_no_difference() -> None:
    """However many came one by one, each is masked, and the early ones still."""
    patterns = PatternSet()
    masker = Masker(patterns)
    for number in range(300):
        patterns.add([b"secret-<%d>" % number])
        assert masker.feed(b"secret-<%d> secret-<0> none\n" % number) == b"*** *** none\n"
    everything = b"".join(b"secret-&lt;%d&gt; " % number for number in range(300))
    assert masker.feed(everything) + masker.end() == b"*** " * 300
    assert len(patterns.automata()) < 6


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


@given(streams())
def test_what_is_masked_holds_no_secret_and_stays_as_it_is(case: tuple[list[bytes], bytes, list[int]]) -> None:
    """No form of a secret is left, and masking again changes nothing; stars of a secret's own could meet ours."""
    chosen = [secret for secret in case[0] if b"*" not in secret]
    patterns = PatternSet(chosen)
    masker = Masker(patterns)
    result = masker.feed(case[1]) + masker.end()
    forms = [form for form in patterns_of(chosen) if b"*" not in form]
    assert not any(form in result for form in forms)
    again = Masker(patterns)
    assert again.feed(result) + again.end() == result


@given(
    st.lists(st.binary(min_size=4, max_size=30) | st.text(min_size=4, max_size=12).map(str.encode), max_size=3),
    st.binary(min_size=4, max_size=30),
    streams(),
)
def test_an_addition_masks_from_the_bytes_held_on(
    before: list[bytes], added: bytes, case: tuple[list[bytes], bytes, list[int]]
) -> None:
    """Wherever it comes, what is fed after it is masked as if it had always been there (S15)."""
    patterns = PatternSet(before)
    masker = Masker(patterns)
    masker.feed(case[1])
    held = masker.held_bytes
    patterns.add([added])
    both, fresh = PatternSet([*before, added]), b"\n" + added + b"\n"
    rest = masker.feed(fresh) + masker.end()
    if held == 0:
        alone = Masker(both)
        assert rest == alone.feed(fresh) + alone.end()
    assert not is_maskable(added) or added.strip() not in rest or added.strip() in MASK
