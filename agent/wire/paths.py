"""Which names a file of a build may have: the same on every platform, or refused (reliability.md S24, S38).

Both sides ask: the hub while it unpacks what somebody uploaded, the runner before a name of a manifest becomes a path.
A name that is legal on one system and means something else on another is refused everywhere: a build is one
thing.
"""

import re
import unicodedata

PATH_MAX_BYTES = 1024
"""Of a whole path in UTF-8; leaves room below Linux' 4096 for the folders above it."""

PART_MAX_BYTES = 255
"""Of one folder's or file's name in UTF-8: the limit of every file system we meet."""

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Windows opens the device whatever extension follows; the superscript digits count as digits there.
_DEVICE = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])\Z", re.IGNORECASE)


class UnsafePathError(ValueError):
    """This name can't be a file of a build; the text says why, without a stack of reasons."""


def check_path(path: str) -> str:
    """Return `path` unchanged when it may name a file of a build, relative and with `/` between its parts.

    Raises UnsafePathError with one sentence otherwise.
    """
    shown = ascii(path[:200])
    if not path:
        raise UnsafePathError("an empty name")
    if _CONTROL.search(path):
        raise UnsafePathError(f"{shown} holds NUL or another control character")
    if "\\" in path:
        raise UnsafePathError(f"{shown} holds a backslash")
    if path.startswith("/"):
        raise UnsafePathError(f"{shown} is an absolute path or a network path")
    if _DRIVE.match(path):
        raise UnsafePathError(f"{shown} begins with a drive letter")
    if _encoded_size(path, shown) > PATH_MAX_BYTES:
        raise UnsafePathError(f"{shown}… is longer than {PATH_MAX_BYTES} bytes")
    for part in path.split("/"):
        _check_part(part, shown)
    return path


def collision_key(path: str) -> str:
    """What two names have in common that are one file where case or Unicode form is not told apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _check_part(part: str, shown: str) -> None:
    if part in {"", "."}:
        raise UnsafePathError(f"{shown} has an empty part")
    if part == "..":
        raise UnsafePathError(f"{shown} leaves its folder by '..'")
    if ":" in part:
        raise UnsafePathError(f"{shown} names an alternate data stream (':')")
    if part[-1] in {".", " "}:
        raise UnsafePathError(f"{shown} has a part that ends with a dot or a space")
    if _DEVICE.match(part.split(".", 1)[0].rstrip(" ")):
        raise UnsafePathError(f"{shown} has a name reserved on Windows")
    if _encoded_size(part, shown) > PART_MAX_BYTES:
        raise UnsafePathError(f"{shown} has a part longer than {PART_MAX_BYTES} bytes")


def _encoded_size(text: str, shown: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise UnsafePathError(f"{shown} is not valid Unicode") from None
