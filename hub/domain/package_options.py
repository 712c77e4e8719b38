"""What the author of a bot, or whoever deploys it, says about starting it (design.md §1): options and `botyard.toml`.

Options of a deployment win over the file, the file wins over what is recognised.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from agent.wire.paths import UnsafePathError, check_path
from agent.wire.words import Kind, ReportPolicy

FILE_NAME = "botyard.toml"
_ENTRY_MAX = 1024


class OptionError(ValueError):
    """An option that can't be meant; `str` names it and what it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOptions:
    """All that may be said about a package; None means "not said"."""

    kind: Kind | None = None
    entry: str | None = None
    args: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    python: str | None = None
    report: ReportPolicy | None = None
    artifacts: str | None = None
    lines: bool | None = None
    """Whether `::error::` and the like are more than text (`bot-packages.md` §7); "on" or "off"."""
    needs: Mapping[str, str] | None = None
    """Labels that a runner must have; becomes the needs of the automation that `deploy` makes."""

    def over(self, other: "PackageOptions") -> "PackageOptions":
        """These options, with what they leave open taken from `other`."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(other, **{name: value for name, value in said.items() if value is not None})


def read_file(text: str) -> PackageOptions:
    """Options of a `botyard.toml`. Raises OptionError for unknown keys: a misspelt one must not be silent."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{FILE_NAME}: {error}") from None
    return parse(values, where=FILE_NAME)


def parse(values: Mapping[str, Any], *, where: str) -> PackageOptions:
    """Options from plain values as TOML and JSON give them; `where` stands in front of messages."""
    known = {field.name for field in fields(PackageOptions)}
    if unknown := sorted(set(values) - known):
        raise OptionError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    said = {name: value for name, value in values.items() if value is not None}
    readers: dict[str, Callable[[str, object], Any]] = {
        "kind": _kind,
        "entry": _entry,
        "args": _words,
        "command": _words,
        "python": _text,
        "report": _report,
        "artifacts": _path,
        "lines": _switch,
        "needs": _labels,
    }
    read: dict[str, Any] = {name: readers[name](f"{where}: {name}", value) for name, value in said.items()}
    return PackageOptions(**read)


def _kind(where: str, value: object) -> Kind:
    try:
        return Kind(str(value))
    except ValueError:
        raise OptionError(f"{where} must be one of {', '.join(Kind)}, not {str(value)[:60]!r}") from None


def _report(where: str, value: object) -> ReportPolicy:
    try:
        return ReportPolicy(str(value))
    except ValueError:
        raise OptionError(f"{where} must be one of {', '.join(ReportPolicy)}, not {str(value)[:60]!r}") from None


def _switch(where: str, value: object) -> bool:
    if value not in ("on", "off"):
        raise OptionError(f'{where} must be "on" or "off", not {str(value)[:60]!r}')
    return value == "on"


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OptionError(f"{where} must be a text")
    return value.strip()


def _entry(where: str, value: object) -> str:
    """A file, a module, a function, a script or a task: what kind it is for decides."""
    entry = _text(where, value).replace("\\", "/").removeprefix("./") or "."
    parts = entry.split("/")
    if len(entry) > _ENTRY_MAX or not entry.isprintable() or entry.startswith("/") or ".." in parts:
        raise OptionError(f"{where} must name something in the package, not {entry[:60]!a}")
    return entry


def _path(where: str, value: object) -> str:
    path = _text(where, value).replace("\\", "/").removeprefix("./")
    try:
        return check_path(path)
    except UnsafePathError as error:
        raise OptionError(f"{where} must name something in the package: {error}") from None


def _words(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise OptionError(f'{where} must be a list of texts, such as ["--month", "{{month}}"]')
    if any("\0" in word for word in value):
        raise OptionError(f"{where} holds NUL")
    return tuple(value)


def _labels(where: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise OptionError(f'{where} must be labels, such as {{os = "windows"}}')
    return dict(value)
