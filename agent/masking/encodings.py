r"""The forms in which a secret may stand in an output: S15's list, each in the dialects that tools really write.

| family | dialects |
|---|---|
| raw | UTF-8; Windows' and DOS's code pages where it is not ASCII; UTF-16, both byte orders |
| base64 | standard and URL alphabet, at each of the three alignments |
| percent | RFC 3986, JavaScript's two functions, forms with `+`, every byte; capitals and small letters |
| backslash | JSON (least, ASCII, `\/`, HTML-safe as Go and .NET write it, every character, twice), Python's `repr` |
| XML, HTML | named, decimal and hexadecimal references, for markup only, quotes too, everything |
| shell | `'\''`, `'"'"'`, backslashes, inside double quotes, `$'…'`, doubled quotes (SQL, PowerShell, CSV) |
| hex | capitals and small letters |

A secret without characters that need an escape has some 15 forms, since most of these are then the secret itself. Pure.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

SECRET_MIN_BYTES = 4
"""Shorter secrets are not masked: they would shred the output and still be guessed from what is left."""
LINE_MIN_BYTES = 6
"""Lines of a multi-line secret count from this length on; shorter ones are brackets and blanks."""
_CODE_PAGES = ("cp1252", "cp850", "latin-1")
_PERCENT_SAFE = ("", "/", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#", "*-._")
_PERCENT = re.compile(rb"%[0-9A-F]{2}")
_U_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")
_SHELL_SPECIAL = re.compile(r"([^A-Za-z0-9_@%+=:,./\n-])")
_DOUBLE_QUOTED = re.compile(r'([\\"$`])')
_NO_ESCAPE = re.compile(rb"[A-Za-z0-9_.-]*\Z")
"""Nobody escapes these, unless they escape everything."""
_ANSI_C = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\x1b": "\\E"}
_MARKUP = ("&<>", '&<>"', "&<>\"'", "&<>\"'/`=")

Escape = Callable[[str], str]


def _u_escape(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _named(character: str) -> str:
    name = codepoint2name.get(ord(character))
    return _decimal(character) if name is None else f"&{name};"


def _named_apos(character: str) -> str:
    return "&apos;" if character == "'" else _named(character)


def _named_hex(character: str) -> str:
    name = codepoint2name.get(ord(character))
    return _hex_capital(character) if name is None else f"&{name};"


def _decimal(character: str) -> str:
    return f"&#{ord(character)};"


def _hex_small(character: str) -> str:
    return f"&#x{ord(character):x};"


def _hex_capital(character: str) -> str:
    return f"&#x{ord(character):X};"


_MARKUP_STYLES = (_named, _named_apos, _named_hex, _decimal, _hex_small, _hex_capital)


def is_maskable(secret: bytes) -> bool:
    """Tell whether a secret is long enough to be masked, and more than stars; callers warn about one that is not."""
    return len(secret.strip()) >= SECRET_MIN_BYTES and bool(secret.strip(b"* \r\n"))


def patterns_of(secrets: Iterable[bytes]) -> list[bytes]:
    """Return, sorted, each form in which these secrets are looked for."""
    found: set[bytes] = set()
    for secret in filter(is_maskable, secrets):
        found.update(_encodings(secret))
        for part in _parts(secret):
            found.update(_encodings(part))
    return sorted(pattern for pattern in found if len(pattern) >= SECRET_MIN_BYTES)


def _parts(secret: bytes) -> list[bytes]:
    """What else counts as the secret: itself without blanks around it, its lines."""
    lines = [line.strip() for line in secret.splitlines()]
    long = [line for line in lines if len(line) >= LINE_MIN_BYTES]
    return [part for part in (secret.strip(), *(long if len(lines) > 1 else ())) if part != secret]


def _encodings(secret: bytes) -> set[bytes]:
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    found.update(_base64_forms(secret))
    whole = b"".join(b"%%%02X" % byte for byte in secret)
    found.update((whole, whole.lower()))
    is_plain = _NO_ESCAPE.match(secret) is not None
    if not is_plain:
        found.update(_percent_forms(secret))
        found.add(repr(secret)[2:-1].encode())
    with suppress(UnicodeDecodeError):
        text = secret.decode()
        found.update(_wide_forms(text))
        forms = set(_whole_forms(text))
        if not is_plain:
            forms.update(_json_forms(text), _markup_forms(text), _shell_forms(text))
        found.update(form.encode("utf-8") for form in forms)
    return found


def _base64_forms(secret: bytes) -> Iterator[bytes]:
    """The characters that stand fast whatever comes before and after, at each of the three alignments."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret).rstrip(b"=")
        first = (before * 8 + 5) // 6
        last = (before + len(secret)) * 8 // 6
        whole = encoded[first:last]
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


def _percent_forms(secret: bytes) -> Iterator[bytes]:
    forms = {quote(secret, safe=safe).encode() for safe in _PERCENT_SAFE}
    forms |= {quote_plus(secret).encode(), quote_plus(secret, safe="*").replace("~", "%7E").encode()}
    for form in forms:
        yield form
        yield _PERCENT.sub(lambda match: match[0].lower(), form)


def _wide_forms(text: str) -> Iterator[bytes]:
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    if not text.isascii():
        for page in _CODE_PAGES:
            with suppress(UnicodeEncodeError):
                yield text.encode(page)


def _whole_forms(text: str) -> Iterator[str]:
    """Every character escaped."""
    units = text.encode("utf-16-be").hex()
    for digits in {units, units.upper()}:
        yield "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))
    for style in (_decimal, _hex_small, _hex_capital):
        yield "".join(map(style, text))


def _json_forms(text: str) -> set[str]:
    forms = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    # JSON inside JSON, as structured logs have it.
    forms |= {json.dumps(form)[1:-1] for form in forms}
    forms |= {ascii(text)[1:-1], repr(text)[1:-1]}
    for special in ("<>&", "<>&'", "<>&'+`"):
        forms |= {_escaped(form, special, _u_escape) for form in set(forms)}
    # .NET writes a quote like any other special character.
    forms |= {form.replace('\\"', "\\u0022") for form in set(forms)}
    forms |= {_U_ESCAPE.sub(lambda match: "\\u" + match[0][2:].upper(), form) for form in set(forms)}
    return forms | {form.replace("/", "\\/") for form in forms}


def _markup_forms(text: str) -> set[str]:
    beyond = "".join(sorted({character for character in text if not character.isascii()}))
    forms = set()
    for style in _MARKUP_STYLES:
        for special in _MARKUP:
            form = text.translate(_table(special, style))
            forms.add(form)
            # Names for the markup and numbers for letters is what Python writes.
            for other in (style, _decimal) if beyond else ():
                forms.add(form.translate({ord(each): other(each) for each in beyond}))
    return forms | {form.replace("&quot;", "&#34;") for form in forms}


def _shell_forms(text: str) -> Iterator[str]:
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield text.replace("'", "''")
    yield text.replace('"', '""')
    yield _SHELL_SPECIAL.sub(r"\\\1", text)
    # As bash prints it: letters beyond ASCII stay.
    yield "".join(part if part.isalpha() else _SHELL_SPECIAL.sub(r"\\\1", part) for part in text)
    yield _DOUBLE_QUOTED.sub(r"\\\1", text)
    plain = "".join(_ANSI_C.get(character, character) for character in text)
    yield plain
    yield plain.replace("\\E", "\\x1b")
    yield "".join(_octal(character) for character in plain)


def _escaped(text: str, special: str, style: Escape) -> str:
    return text.translate(_table(special, style))


@cache
def _table(special: str, style: Escape) -> dict[int, str]:
    return {ord(character): style(character) for character in special}


def _octal(character: str) -> str:
    is_plain = character.isascii() and character.isprintable()
    return character if is_plain else "".join(f"\\{byte:03o}" for byte in character.encode())
