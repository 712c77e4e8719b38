"""A package as the recogniser sees it, and what is told of one: values only, shared by all rows of the table."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.wire.builds import LOCK_MAX_BYTES, Manifest
from agent.wire.starting import PlatformNeeds, Start
from agent.wire.words import Kind, ReportPolicy
from hub.domain.package_options import OptionError, PackageOptions
from hub.domain.python_versions import ANY_PYTHON, PythonChoice, choose
from hub.domain.requirements import LockFile, Requirements, decode_text

TEXT_MAX_BYTES = 256 * 1024
SCRIPT_HEAD_BYTES = 16 * 1024
"""Of a Python file at the root: inline metadata stands at its top."""
HEAD_BYTES = 256
_LOCKS = re.compile(r"(?:uv\.lock|[^/]+\.py\.lock)\Z")
_TEXTS = re.compile(
    r"(?:[^/]+\.(?:txt|in|toml|cfg)|\.python-version|VERSION|package\.json|(?:.+/)?[^/]*require[^/]*\.(?:txt|in)"
    r"|(?:.+/)?pyproject\.toml|(?:[^/]+/)?[^/]+\.ya?ml|(?:(?:tasks|tests)/)?[^/]+\.robot)\Z"
)


class PackageError(ValueError):
    """The package can't be started, or not without being told how; `code` is stable, `looked_for` may be empty."""

    def __init__(self, code: str, message: str, looked_for: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.looked_for = looked_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package: paths with "is executable", and the starts of the files that matter (of a jar: its manifest)."""

    executable: Mapping[str, bool]
    contents: Mapping[str, bytes]

    def has(self, path: str) -> bool:
        """Whether this file is in the package."""
        return path in self.executable

    def has_below(self, folder: str, suffix: str = "") -> bool:
        """Whether a file that ends so lies somewhere below this folder; "." is the root."""
        start = "" if folder == "." else f"{folder}/"
        return any(path.startswith(start) and path.lower().endswith(suffix) for path in self.executable)

    def text(self, path: str) -> str | None:
        """A small text file's content."""
        data = self.contents.get(path)
        return None if data is None else decode_text(data)

    def root_files(self, *suffixes: str) -> tuple[str, ...]:
        """Files at the root that end so, whatever the case."""
        return tuple(sorted(p for p in self.executable if "/" not in p and p.lower().endswith(suffixes)))

    def first_line(self, path: str) -> str:
        """The line of a script that says what runs it; empty where there is none."""
        head = self.contents.get(path, b"")
        return head.split(b"\n", 1)[0].decode("latin-1") if head.startswith(b"#!") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a package of some kind is started, before the options of its deployment come over it."""

    entry: str
    start: Start = Start.FILE
    python: PythonChoice | None = None
    requirements: Requirements | LockFile | None = None
    """What has to be resolved before; None: no packages."""
    report: ReportPolicy = ReportPolicy.OPTIONAL
    artifacts: str = ""
    command: tuple[str, ...] = ()
    install: bool = False
    path: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    needs: tuple[PlatformNeeds, ...] = ()


def _is_file(package: Package, entry: str) -> str | None:
    return entry if package.has(entry) else None


def _never(_package: Package, _entry: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table."""

    kind: Kind
    looked_for: str
    candidates: Callable[[Package], tuple[str, ...] | None]
    """None when the package is not of this kind, else the entries that it might have."""
    plan: Callable[[Package, str, PackageOptions], Plan]
    """How it is started from that entry. Raises PackageError, OptionError, RequirementError."""
    runs: Callable[[Package, str], bool] = _never
    """Whether an entry that somebody named is started as this kind, when nobody named the kind."""
    find: Callable[[Package, str], str | None] = _is_file
    """The entry that a named one means; None: there is none of that name."""
    entries: str = "files"
    """What its entries are, for people."""


def bytes_needed(path: str) -> int:
    """How much of the file at `path` the recogniser may want to see."""
    if _LOCKS.match(path):
        return LOCK_MAX_BYTES
    if _TEXTS.match(path):
        return TEXT_MAX_BYTES
    if "/" in path:
        return 0
    return SCRIPT_HEAD_BYTES if path.endswith(".py") else HEAD_BYTES


def package_of(manifest: Manifest, contents: Mapping[str, bytes]) -> Package:
    """A package from its manifest and the contents that `bytes_needed` asked for; too long texts are left out."""
    sizes = {file.path: file.size for file in manifest.files}
    whole = {
        path: data
        for path, data in contents.items()
        if bytes_needed(path) < TEXT_MAX_BYTES or sizes[path] <= bytes_needed(path)
    }
    return Package(executable={file.path: file.executable for file in manifest.files}, contents=whole)


def read_toml(package: Package, path: str, code: str) -> dict[str, Any]:
    """A TOML file of the package, empty where there is none. Raises PackageError `code` when it can't be read."""
    try:
        return tomllib.loads(package.text(path) or "")
    except tomllib.TOMLDecodeError as error:
        raise PackageError(code, f"{path}: {error}") from None


def project_table(package: Package) -> dict[str, Any]:
    """The `[project]` table of pyproject.toml, empty where there is none. Raises PackageError when it can't be read."""
    return table(read_toml(package, "pyproject.toml", "bad_pyproject"), "project")


def locked_packages(package: Package, path: str) -> list[dict[str, Any]]:
    """The packages in a lock of uv. Raises PackageError when it can't be read."""
    if package.text(path) is None:
        raise PackageError("bad_lock", f"{path} is too long to be read")
    return tables(read_toml(package, path, "bad_lock").get("package"))


def has_source_only(packages: list[dict[str, Any]]) -> bool:
    """Whether one of these has to be built from source."""
    return any("registry" in table(one, "source") and not one.get("wheels") for one in packages)


def table(values: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The table at this path, empty where there is none or something else."""
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """The tables in a list of them; what is none is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object, where: str) -> tuple[str, ...]:
    """A list of texts as files give them. Raises PackageError that names `where`."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise PackageError("bad_package_file", f"{where} must be a list of texts")
    return tuple(value)


def python_of(package: Package, options: PackageOptions, requires: object = None, where: str = "") -> PythonChoice:
    """The Python for a package: of the options, `.python-version`, or what `requires` (found at `where`) says."""
    if options.python is not None:
        return choose(options.python, where="python")
    pinned = (package.text(".python-version") or "").strip().splitlines()
    if pinned:
        try:
            return choose(pinned[0], where=".python-version")
        except OptionError:
            # Developers' tools keep names of environments there, too; that is none of a robot's business.
            pass
    if requires is None:
        requires, where = project_table(package).get("requires-python"), "requires-python of pyproject.toml"
    return choose(requires, where=where) if isinstance(requires, str) else ANY_PYTHON


def modules_with_main(package: Package, roots: Iterable[str] = ("",)) -> tuple[str, ...]:
    """Names of the packages right below `roots` ("" or "src/") that `python -m` starts."""
    found = set()
    for path in package.executable:
        for root in roots:
            parts = path.removeprefix(root).split("/")
            if path.startswith(root) and len(parts) == 2 and parts[1] == "__main__.py" and parts[0].isidentifier():
                found.add(parts[0])
    return tuple(sorted(found))


def has_module(package: Package, name: str, roots: Iterable[str] = ("",)) -> bool:
    """Whether `python -m name` would find something of the package."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    path = name.replace(".", "/")
    return any(package.has(f"{root}{path}.py") or package.has(f"{root}{path}/__main__.py") for root in roots)
