"""Names of files in builds (reliability.md S24)."""

import pytest

from agent.wire.paths import UnsafePathError, check_path, collision_key

SAFE = [
    "bot.py",
    "resources/botão.png",
    "a b/c (1).txt",
    ".gitignore",
    "com10/auxiliary.txt",
    "conx",
    "x" * 255,
    "日本/語.txt",
    "what?.txt",
]
UNSAFE = {
    "": "empty",
    "/etc/passwd": "absolute",
    "//server/share": "network",
    "C:/x": "drive",
    "c:x": "drive",
    "a\\b": "backslash",
    "\\\\server\\share": "backslash",
    "../x": "leaves",
    "a/../../x": "leaves",
    "a/..": "leaves",
    "a//b": "empty part",
    "./a": "empty part",
    "a/": "empty part",
    "a\0b": "NUL",
    "a\nb": "control",
    "x.txt:stream": "stream",
    "con": "reserved",
    "CON.txt": "reserved",
    "a/aux.tar.gz": "reserved",
    "nul .txt": "reserved",
    "lpt9": "reserved",
    "COM¹": "reserved",
    "CONIN$": "reserved",
    "a.": "dot or a space",
    "a /b": "dot or a space",
    "a/b ": "dot or a space",
    "...": "dot or a space",
    "x" * 256: "longer",
    "é" * 128: "longer",
    "a/" * 600 + "b": "longer",
    "\ud800": "Unicode",
}


@pytest.mark.parametrize("path", SAFE)
def test_a_safe_name_passes_unchanged(path: str) -> None:
    assert path == check_path(path)


@pytest.mark.parametrize(("path", "reason"), UNSAFE.items(), ids=range(len(UNSAFE)))
def test_an_unsafe_name_is_refused_with_its_reason(path: str, reason: str) -> None:
    """S24: absolute, `..`, backslash, drive, UNC, NUL, reserved names, trailing dot or space, streams."""
    with pytest.raises(UnsafePathError, match=reason):
        check_path(path)


@pytest.mark.parametrize(("one", "other"), [("A.py", "a.PY"), ("Straße", "STRASSE"), ("é", "e\u0301"), ("ﬁ", "fi")])
def test_names_that_some_file_system_takes_for_one_have_one_key(one: str, other: str) -> None:
    """S24: NFC and casefold duplicates."""
    assert collision_key(one) == collision_key(other)
