"""What a bot and a version may be called, and what they are called when nobody says (design.md §1)."""

import re
from datetime import date

from hub.domain.packages import Package, PackageError, project_table

_BOT = re.compile(r"\w[\w .+@()-]{0,127}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,127}\Z")
_SUFFIX = re.compile(r"(\.tar\.gz|\.tgz|\.zip|\.[A-Za-z0-9]{1,5})\Z", re.IGNORECASE)


def check_bot_name(name: str) -> str:
    """Return a bot's name when it may be one. Raises PackageError."""
    if not _BOT.match(name) or name != name.strip():
        raise PackageError(
            "bad_bot_name",
            f"bot {name[:60]!r} must begin with a letter, a digit or _, hold only those, blanks and .+@()-, "
            "and have at most 128 characters; name it with --bot",
        )
    return name


def check_version(version: str) -> str:
    """Return a version when it may be one. Raises PackageError."""
    if not _VERSION.match(version):
        raise PackageError(
            "bad_version",
            f"version {version[:60]!r} must hold only letters, digits and .+!_-, at most 128; name it with --version",
        )
    return version


def default_bot(upload: str) -> str:
    """The bot's name for an upload of that name: the last part without its suffix."""
    last = upload.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _SUFFIX.sub("", last)


def default_version(package: Package, digest: str, today: date) -> str:
    """What VERSION says, else pyproject.toml, else the day and the start of the digest."""
    said = (package.text("VERSION") or "").strip().splitlines()
    if said and said[0].strip():
        return said[0].strip()
    declared = project_table(package).get("version")
    return declared if isinstance(declared, str) else f"{today:%Y.%m.%d}-{digest[:8]}"
