"""What a package may ask of the resolver, and what a resolver's answer must look like (S25): pure text checks.

uv reads much more than names from a requirement list: other files, index addresses, paths, repositories. In the hub
each of these would read or reach what the package's author could not, so only names with versions go through. Which
indexes are asked is a setting of the hub and of the runner, never of a package.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from agent.wire.builds import WHEEL_FOLDERS
from agent.wire.paths import UnsafePathError, check_path

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# Single classes of characters, matched in linear time; whether it is a requirement at all is the resolver's business.
_REQUIREMENT = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:[(<>=!~][\s()<>=!~A-Za-z0-9.*+_,-]*)?"
    r"(?:;[\s()<>=!~A-Za-z0-9.*+_,'\"-]*)?\Z"
)
_HASHES = re.compile(r"\s--hash[= ].*\Z")
_LOCKED = re.compile(
    rf"(?P<name>{_NAME})==[A-Za-z0-9.+!_-]+\s*(?:;[\s()<>=!~A-Za-z0-9.*+_,'\"-]*?)?(?:\s--hash=sha256:[0-9a-f]{{64}})+\Z"
)
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<path>\S+)\Z")
_FIND_LINKS = re.compile(r"(?:-f|--find-links)[\s=]*(?P<path>\S+)\Z")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INCLUDES_MAX = 20
_LINE_MAX = 8000


class RequirementError(ValueError):
    """A line of a requirement list that is not passed on; `str` quotes it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """A package's requirements with all includes put in: one `name[extras] versions ; marker` a line."""

    path: str
    lines: tuple[str, ...]
    no_index: bool = False
    """The package says `--no-index`: all of it is among its own wheels."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the packages asked for, normalised (PEP 503)."""
        return frozenset(normalized_name(line) for line in self.lines)

    def text(self) -> str:
        """What the resolver reads."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """A lock that the package brings along: uv turns it into a list of exact versions with hashes, asking nobody."""

    path: str
    files: Mapping[str, bytes]
    """All that is read beside it, itself included, by path."""
    script: str = ""
    """The script that it belongs to; empty for a project's `uv.lock`."""
    requires_python: str = ""
    is_computed: bool = False
    """Parts of the project come from its own set-up code, which the hub never runs (S47)."""
    builds_source: bool = False
    """It locks packages that have no wheel: runners build them, the hub does not."""
    differs: tuple[str, ...] = ()
    """Packages that it was locked for otherwise, as far as a plain comparison tells."""


def normalized_name(requirement: str) -> str:
    """The name that a requirement begins with, as indexes compare it (PEP 503)."""
    found = re.match(_NAME, requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def collect(path: str, read: Callable[[str], bytes | None]) -> Requirements:
    """Read the requirement list at `path` and all that it includes by `-r`; `read` answers None for what is missing.

    Raises RequirementError for a line that is more than a name with versions, and for includes that are missing,
    leave the package or go round in circles.
    """
    reading = _Reading(read=read)
    reading.add(path, ())
    return Requirements(path=path, lines=tuple(reading.lines), no_index=reading.no_index)


def check_lines(lines: Iterable[str], where: str) -> Requirements:
    """The requirements in `lines`, found at `where`. Raises RequirementError for more than a name with versions."""
    return Requirements(path=where, lines=tuple(_checked(" ".join(line.split()), where) for line in lines))


def check_lock(text: str, wanted: frozenset[str]) -> None:
    """Make sure that a resolved list holds exact versions with hashes and every name in `wanted`.

    Raises RequirementError. Used on lists that a runner made (design.md §1): a runner is not believed blindly.
    """
    locked: set[str] = set()
    for line in _logical_lines(text):
        found = _LOCKED.match(line)
        if found is None:
            raise RequirementError(f"{_quote(line)} of the resolved list is no exact version with its hashes")
        locked.add(normalized_name(found["name"]))
    if missing := sorted(wanted - locked):
        raise RequirementError(f"the resolved list lacks {', '.join(missing)}")


def decode_text(data: bytes) -> str:
    """Text as editors and shells leave it: UTF-8, or UTF-16 with a byte order mark (PowerShell's `>`)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A list as it is read, with what it includes."""

    read: Callable[[str], bytes | None]
    lines: list[str] = field(default_factory=list)
    no_index: bool = False

    def add(self, path: str, open_files: tuple[str, ...]) -> None:
        """Read one file."""
        if path in open_files or len(open_files) >= _INCLUDES_MAX:
            raise RequirementError(f"{path} includes itself by -r; remove the circle")
        data = self.read(path)
        if data is None:
            named_by = f", which {open_files[-1]} includes" if open_files else ""
            raise RequirementError(f"{path}{named_by}, is not in the package or is too long")
        for line in _logical_lines(decode_text(data)):
            include, links = _INCLUDE.match(line), _FIND_LINKS.match(line)
            if include is not None:
                self.add(_included_path(path, include["path"]), (*open_files, path))
            elif links is not None:
                _check_links(links["path"], line, path)
            elif line == "--no-index":
                self.no_index = True
            else:
                self.lines.append(_checked(line, path))


def _check_links(named: str, line: str, path: str) -> None:
    """The package's own folders of wheels count as they are; any other place is not the package's to name."""
    if named.removeprefix("./").rstrip("/") not in WHEEL_FOLDERS:
        folders = " or ".join(f"{folder}/" for folder in WHEEL_FOLDERS)
        raise RequirementError(
            f"{path}: {_quote(line)}: wheels that a package brings along lie in {folders} at its root"
        )


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    stripped = (" ".join(_COMMENT.sub("", line).split()) for line in joined.splitlines())
    return [line for line in stripped if line]


def _included_path(including: str, named: str) -> str:
    folder, _, _ = including.rpartition("/")
    path = f"{folder}/{named}" if folder else named
    try:
        return check_path("/".join(part for part in path.split("/") if part != "."))
    except UnsafePathError as error:
        raise RequirementError(f"-r {named} in {including} must name a file of the package: {error}") from None


def _checked(line: str, path: str) -> str:
    if line.startswith("-"):
        raise RequirementError(
            f"{path}: {_quote(line)} is an option; a package names requirements only. "
            "Indexes are set on the hub and on the runner (UV_DEFAULT_INDEX, UV_INDEX)"
        )
    # Hashes that an author wrote are left out: the resolved list carries the index's own.
    requirement = _HASHES.sub("", line).strip()
    if len(line) > _LINE_MAX or not _REQUIREMENT.match(requirement):
        raise RequirementError(
            f"{path}: {_quote(line)} is no plain requirement (name, versions, marker); addresses, paths and "
            "repositories are not installed: publish it on an index, or put its source into the package"
        )
    return requirement


def _quote(line: str) -> str:
    return ascii(line[:120])
