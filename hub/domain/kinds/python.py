"""Scripts and folders of Python, BotCity's bots among them (bot-packages.md §2; maestro.md §5)."""

import re

from agent.wire.starting import Start
from agent.wire.words import Kind, ReportPolicy
from hub.domain.kinds.package import (
    Package,
    Plan,
    Rule,
    has_module,
    modules_with_main,
    project_table,
    python_of,
)
from hub.domain.kinds.project import project_requirements
from hub.domain.package_options import PackageOptions
from hub.domain.requirements import LockFile, Requirements, check_lines, collect

ENTRIES = ("main.py", "bot.py", "run.py", "__main__.py")
_NOT_ENTRIES = frozenset({"setup.py", "conftest.py"})
_SECTION = re.compile(r"\[(?P<extra>[^:\]]*)(?::(?P<marker>[^\]]*))?\]\Z")


def python_requirements(package: Package) -> Requirements | None:
    """What `requirements.txt` asks for, else what a source distribution wrote down; None for nothing."""
    wanted = None
    if package.has("requirements.txt"):
        wanted = collect("requirements.txt", package.contents.get)
    else:
        for path in sorted(package.contents):
            if path.count("/") == 1 and path.endswith(".egg-info/requires.txt"):
                wanted = _of_source_distribution(path, package.text(path) or "")
    return wanted if wanted and wanted.lines else None


def python_entries(package: Package) -> tuple[str, ...]:
    """Files at the root that may be the start, else the packages of a source distribution."""
    known = tuple(name for name in ENTRIES if package.has(name))
    files = known or tuple(path for path in package.root_files(".py") if path not in _NOT_ENTRIES)
    return files or (modules_with_main(package) if package.has("setup.py") else ())


def _of_source_distribution(path: str, text: str) -> Requirements:
    """A `requires.txt` of setuptools: plain requirements, then sections for markers; extras are not asked for."""
    lines: list[str] = []
    marker, is_taken = "", True
    for line in filter(None, map(str.strip, text.splitlines())):
        section = _SECTION.match(line)
        if section is not None:
            marker, is_taken = section["marker"] or "", not section["extra"]
        elif is_taken:
            lines.append(f"{line} ; {marker}" if marker else line)
    return check_lines(lines, path)


def _entry_or_module(package: Package, entry: str) -> str | None:
    return entry if package.has(entry) or has_module(package, entry) else None


def _start(package: Package, entry: str) -> Start:
    return Start.FILE if package.has(entry) or not entry else Start.MODULE


# --- BotCity ---


def _botcity(package: Package) -> tuple[str, ...] | None:
    has_bot = package.has("bot.py")
    if not package.root_files(".botproj") and not ((has_bot or package.has("setup.py")) and _asks_for_botcity(package)):
        return None
    return ("bot.py",) if has_bot else python_entries(package)


def _botcity_requirements(package: Package) -> Requirements | LockFile | None:
    return python_requirements(package) or project_requirements(package)


def _asks_for_botcity(package: Package) -> bool:
    wanted = python_requirements(package)
    if wanted is not None:
        return any(name.startswith("botcity-") for name in wanted.names)
    declared = project_table(package).get("dependencies")
    lines = declared if isinstance(declared, list) else []
    return any(str(line).lower().replace("_", "-").startswith("botcity-") for line in lines)


def _is_botcity_entry(package: Package, entry: str) -> bool:
    is_botcity = bool(package.root_files(".botproj")) or _asks_for_botcity(package)
    return is_botcity and _entry_or_module(package, entry) is not None and not _is_no_python(package, entry)


def _is_no_python(package: Package, entry: str) -> bool:
    return package.has(entry) and not entry.lower().endswith((".py", ".pyw"))


def _botcity_plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    return Plan(
        entry=entry,
        start=_start(package, entry),
        python=python_of(package, options),
        requirements=_botcity_requirements(package),
        report=ReportPolicy.REQUIRED,
    )


# --- plain Python ---


def _python(package: Package) -> tuple[str, ...] | None:
    entries = python_entries(package)
    if package.has("requirements.txt"):
        return entries
    known = any(package.has(name) for name in ENTRIES)
    return entries if known or len(entries) == 1 or (entries and package.has("setup.py")) else None


def _python_plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    return Plan(
        entry=entry,
        start=_start(package, entry),
        python=python_of(package, options),
        requirements=python_requirements(package),
    )


BOTCITY = Rule(
    kind=Kind.BOTCITY,
    looked_for="bot.py or setup.py with botcity-* in requirements.txt, or a *.botproj file (BotCity bot)",
    candidates=_botcity,
    plan=_botcity_plan,
    runs=_is_botcity_entry,
    find=_entry_or_module,
)
PYTHON = Rule(
    kind=Kind.PYTHON,
    looked_for="requirements.txt, main.py, bot.py, run.py, __main__.py or a single *.py (Python script)",
    candidates=_python,
    plan=_python_plan,
    runs=lambda package, entry: not _is_no_python(package, entry) and _entry_or_module(package, entry) is not None,
    find=_entry_or_module,
)
