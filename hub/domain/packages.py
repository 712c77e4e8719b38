"""What a package is and how it is started, told from its file list and a few small files (bot-packages.md §2).

`RULES` is the table: first match from the top wins, a named kind or entry wins over it, and two candidates of one kind
are never guessed between. A new kind is a new row (and a word in `agent.wire.words.Kind`). Rows without a kind are
packages that are known but not run yet; saying so beats running them wrongly.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.wire.builds import Manifest
from agent.wire.task import Launch
from agent.wire.words import Kind, ReportPolicy
from hub.domain import requirements as requirement_lists
from hub.domain.package_options import FILE_NAME, OptionError, PackageOptions, read_file
from hub.domain.python_versions import ANY_PYTHON, PythonChoice, choose
from hub.domain.requirements import RequirementError, Requirements, decode_text

TEXT_MAX_BYTES = 256 * 1024
HEAD_BYTES = 256
_TEXTS = re.compile(r"(?:[^/]+\.(?:txt|in|toml|cfg)|\.python-version|VERSION|(?:.+/)?[^/]*require[^/]*\.(?:txt|in))\Z")
_PYTHON_ENTRIES = ("main.py", "bot.py", "run.py", "__main__.py")
_NOT_ENTRIES = frozenset({"setup.py", "conftest.py"})
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_.-]*\}")


class PackageError(ValueError):
    """The package can't be started, or not without being told how; `code` is stable, `looked_for` may be empty."""

    def __init__(self, code: str, message: str, looked_for: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.looked_for = looked_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package as the recogniser sees it: paths with "is executable", and the starts of the files that matter."""

    executable: Mapping[str, bool]
    contents: Mapping[str, bytes]

    def has(self, path: str) -> bool:
        """Whether this file is in the package."""
        return path in self.executable

    def text(self, path: str) -> str | None:
        """A small text file's content."""
        data = self.contents.get(path)
        return None if data is None else decode_text(data)

    def root_files(self, *suffixes: str) -> tuple[str, ...]:
        """Files at the root that end so, whatever the case."""
        return tuple(sorted(p for p in self.executable if "/" not in p and p.lower().endswith(suffixes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """How to start the package, and what has to be resolved before (None: no packages)."""

    launch: Launch
    python: PythonChoice | None
    requirements: Requirements | None
    needs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row. `candidates` answers None when the package is not of this kind, else the entries that it might have."""

    kind: Kind | None
    looked_for: str
    candidates: Callable[[Package], tuple[str, ...] | None]
    runs: Callable[[Package, str], bool] = lambda _package, _entry: False
    """Whether a file that somebody named as entry is started as this kind."""
    advice: str = ""


def bytes_needed(path: str) -> int:
    """How much of the file at `path` the recogniser may want to see."""
    if _TEXTS.match(path):
        return TEXT_MAX_BYTES
    return 0 if "/" in path else HEAD_BYTES


def package_of(manifest: Manifest, contents: Mapping[str, bytes]) -> Package:
    """A package from its manifest and the contents that `bytes_needed` asked for; too long texts are left out."""
    sizes = {file.path: file.size for file in manifest.files}
    whole = {
        path: data
        for path, data in contents.items()
        if bytes_needed(path) == HEAD_BYTES or sizes[path] <= TEXT_MAX_BYTES
    }
    return Package(executable={file.path: file.executable for file in manifest.files}, contents=whole)


def recognise(package: Package, options: PackageOptions) -> Recognised:
    """Decide how this package is started. Raises PackageError (with what was looked for) when it can't be told."""
    try:
        return _recognise(package, _all_options(package, options))
    except OptionError as error:
        raise PackageError("bad_option", str(error)) from None
    except RequirementError as error:
        raise PackageError("bad_requirements", str(error)) from None


def _all_options(package: Package, options: PackageOptions) -> PackageOptions:
    if not package.has(FILE_NAME):
        return options
    text = package.text(FILE_NAME)
    if text is None:
        raise OptionError(f"{FILE_NAME} is longer than {TEXT_MAX_BYTES} bytes")
    return options.over(read_file(text))


def _recognise(package: Package, options: PackageOptions) -> Recognised:
    kind, entry = _kind_and_entry(package, options)
    needs_python = kind in {Kind.BOTCITY, Kind.PYTHON}
    default_report = ReportPolicy.REQUIRED if kind is Kind.BOTCITY else ReportPolicy.OPTIONAL
    python = _python_of(package, options) if needs_python else None
    launch = Launch(
        kind=kind,
        entry=entry,
        args=_checked_template(options.args, "args"),
        command=_checked_template(options.command, "command"),
        python=python.request if python else "",
        report=options.report or default_report,
        artifacts=options.artifacts or "",
    )
    wanted = requirement_lists.collect("requirements.txt", package.contents.get) if _has_list(package, kind) else None
    return Recognised(
        launch=launch,
        python=python,
        requirements=wanted if wanted and wanted.lines else None,
        needs=options.needs or {},
    )


def _kind_and_entry(package: Package, options: PackageOptions) -> tuple[Kind, str]:
    if options.entry is not None:
        if not package.has(options.entry):
            near = ", ".join(sorted(path for path in package.executable if "/" not in path)[:20])
            raise PackageError("no_such_entry", f"entry {options.entry} is not in the package; at its root are: {near}")
        return options.kind or _kind_of_entry(package, options.entry), options.entry
    if options.command is not None and options.kind is None:
        # A command line of one's own needs no entry: it is BotCity's "COMMAND" technology (maestro.md §5).
        return Kind.EXECUTABLE, ""
    for rule in RULES:
        if options.kind is not None and rule.kind is not options.kind:
            continue
        candidates = rule.candidates(package)
        if candidates is not None:
            return _only(rule, candidates)
    looked_for = tuple(rule.looked_for for rule in RULES if options.kind is None or rule.kind is options.kind)
    raise PackageError(
        "unknown_package",
        "nothing in this package says how to start it; looked for: "
        + "; ".join(looked_for)
        + ". Name the file to start with --entry, or put a botyard.toml with `entry` into the package",
        looked_for,
    )


def _only(rule: Rule, candidates: tuple[str, ...]) -> tuple[Kind, str]:
    if rule.kind is None:
        raise PackageError("kind_not_supported", rule.advice, (rule.looked_for,))
    if len(candidates) == 1:
        return rule.kind, candidates[0]
    if candidates:
        listed = ", ".join(candidates)
        raise PackageError(
            "ambiguous_entry",
            f"several files could be the start of this {rule.kind} package: {listed}; name one with --entry",
        )
    raise PackageError(
        "no_entry",
        f"this is a {rule.kind} package, but no file in it is its start ({rule.looked_for}); name one with --entry",
        (rule.looked_for,),
    )


def _kind_of_entry(package: Package, entry: str) -> Kind:
    for rule in RULES:
        if rule.kind is not None and rule.runs(package, entry):
            return rule.kind
    return Kind.EXECUTABLE


def _python_of(package: Package, options: PackageOptions) -> PythonChoice:
    if options.python is not None:
        return choose(options.python, where="python")
    pinned = (package.text(".python-version") or "").strip().splitlines()
    if pinned:
        try:
            return choose(pinned[0], where=".python-version")
        except OptionError:
            # Developers' tools keep names of environments there, too; that is none of a robot's business.
            pass
    requires = project_table(package).get("requires-python")
    return choose(requires, where="requires-python of pyproject.toml") if isinstance(requires, str) else ANY_PYTHON


def _checked_template(template: tuple[str, ...] | None, where: str) -> tuple[str, ...]:
    for word in template or ():
        if "{" in _PLACEHOLDER.sub("", word):
            raise OptionError(f"{where}: {word!r} has a brace that names no parameter; write {{{{ for a brace itself")
    return template or ()


def _has_list(package: Package, kind: Kind) -> bool:
    return kind in {Kind.BOTCITY, Kind.PYTHON} and package.has("requirements.txt")


def project_table(package: Package) -> dict[str, Any]:
    """The `[project]` table of pyproject.toml, empty where there is none. Raises PackageError when it can't be read."""
    try:
        project = tomllib.loads(package.text("pyproject.toml") or "").get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise PackageError("bad_pyproject", f"pyproject.toml: {error}") from None
    return project if isinstance(project, dict) else {}


def _first_line(package: Package, path: str) -> str:
    head = package.contents.get(path, b"")
    return head.split(b"\n", 1)[0].decode("latin-1") if head.startswith(b"#!") else ""


# --- the rows ---


def _robocorp(package: Package) -> tuple[str, ...] | None:
    return ("robot.yaml",) if package.has("robot.yaml") else None


def _botcity(package: Package) -> tuple[str, ...] | None:
    has_project = bool(package.root_files(".botproj"))
    if not has_project and not (package.has("bot.py") and _asks_for_botcity(package)):
        return None
    return ("bot.py",) if package.has("bot.py") else _python_entries(package)


def _asks_for_botcity(package: Package) -> bool:
    if not package.has("requirements.txt"):
        return False
    wanted = requirement_lists.collect("requirements.txt", package.contents.get)
    return any(name.startswith("botcity-") for name in wanted.names)


def _is_botcity_entry(package: Package, entry: str) -> bool:
    is_botcity = bool(package.root_files(".botproj")) or _asks_for_botcity(package)
    return is_botcity and entry.lower().endswith(".py")


def _python_project(package: Package) -> tuple[str, ...] | None:
    if package.has("requirements.txt") or not project_table(package).get("dependencies"):
        return None
    return ("pyproject.toml",)


def _python(package: Package) -> tuple[str, ...] | None:
    entries = _python_entries(package)
    if package.has("requirements.txt"):
        return entries
    known = any(package.has(name) for name in _PYTHON_ENTRIES)
    return entries if known or len(entries) == 1 else None


def _python_entries(package: Package) -> tuple[str, ...]:
    known = tuple(name for name in _PYTHON_ENTRIES if package.has(name))
    return known or tuple(path for path in package.root_files(".py") if path not in _NOT_ENTRIES)


def _shell(package: Package) -> tuple[str, ...] | None:
    scripts = set(package.root_files(".sh"))
    for path, executable in package.executable.items():
        if executable and "/" not in path and _first_line(package, path):
            scripts.add(path)
    return tuple(sorted(scripts)) or None


def _is_shell_entry(package: Package, entry: str) -> bool:
    return entry.lower().endswith(".sh") or bool(_first_line(package, entry))


def _never(_package: Package) -> tuple[str, ...] | None:
    return None


RULES: tuple[Rule, ...] = (
    Rule(
        kind=None,
        looked_for="robot.yaml at the root (Robocorp robot)",
        candidates=_robocorp,
        advice="this is a Robocorp robot (robot.yaml), a kind that this hub does not run yet; "
        "name a kind and an entry (--kind python --entry tasks.py) to start a file of it as a plain script",
    ),
    Rule(
        kind=Kind.BOTCITY,
        looked_for="bot.py with botcity-* in requirements.txt, or a *.botproj file (BotCity bot)",
        candidates=_botcity,
        runs=_is_botcity_entry,
    ),
    Rule(
        kind=None,
        looked_for="pyproject.toml with [project] dependencies (Python project)",
        candidates=_python_project,
        advice="this is a Python project whose dependencies stand in pyproject.toml, a kind that this hub does not "
        "run yet; add a requirements.txt (uv export --no-dev --no-hashes -o requirements.txt makes one)",
    ),
    Rule(
        kind=Kind.PYTHON,
        looked_for="requirements.txt, main.py, bot.py, run.py, __main__.py or a single *.py (Python script)",
        candidates=_python,
        runs=lambda _package, entry: entry.lower().endswith((".py", ".pyw")),
    ),
    Rule(
        kind=Kind.SHELL,
        looked_for="a *.sh, or an executable file that begins with #! (shell)",
        candidates=_shell,
        runs=_is_shell_entry,
    ),
    Rule(kind=Kind.EXECUTABLE, looked_for="a file named by --entry (executable)", candidates=_never),
)
