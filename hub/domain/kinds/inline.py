"""Scripts that carry their requirements in a comment at their top (PEP 723; bot-packages.md §2)."""

import re
import tomllib
from typing import Any

from agent.wire.words import Kind
from hub.domain.kinds.package import (
    Package,
    PackageError,
    Plan,
    Rule,
    has_source_only,
    locked_packages,
    python_of,
    texts,
)
from hub.domain.kinds.python import ENTRIES
from hub.domain.package_options import PackageOptions
from hub.domain.requirements import LockFile, Requirements, check_lines

# The reference expression of PEP 723, for the one type that is defined.
_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def metadata(package: Package, path: str) -> dict[str, Any] | None:
    """The metadata of the script at `path`; None where it has none. Raises PackageError when it can't be read."""
    blocks = list(_BLOCK.finditer((package.text(path) or "").replace("\r\n", "\n")))
    if not blocks:
        return None
    if len(blocks) > 1:
        raise PackageError("bad_metadata", f"{path} has more than one `# /// script` block")
    lines = blocks[0]["content"].splitlines()
    try:
        return tomllib.loads("\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))
    except tomllib.TOMLDecodeError as error:
        raise PackageError("bad_metadata", f"the `# /// script` block of {path}: {error}") from None


def _candidates(package: Package) -> tuple[str, ...] | None:
    scripts = package.root_files(".py")
    with_block = tuple(path for path in scripts if metadata(package, path) is not None)
    others = [name for name in ENTRIES if package.has(name) and name not in with_block]
    # A folder that starts elsewhere may bring a tool with metadata of its own.
    return None if others or package.has("requirements.txt") else with_block or None


def _runs(package: Package, entry: str) -> bool:
    return not package.has("requirements.txt") and metadata(package, entry) is not None


def _plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    said = metadata(package, entry) or {}
    return Plan(
        entry=entry,
        python=python_of(package, options, said.get("requires-python"), f"requires-python of {entry}"),
        requirements=_requirements(package, entry, said),
    )


def _requirements(package: Package, entry: str, said: dict[str, Any]) -> Requirements | LockFile | None:
    wanted = texts(said.get("dependencies"), f"dependencies of {entry}")
    lock = f"{entry}.lock"
    if not wanted:
        return None
    if not package.has(lock):
        return check_lines(wanted, entry)
    packages = locked_packages(package, lock)
    requires = said.get("requires-python")
    return LockFile(
        path=lock,
        script=entry,
        files={entry: package.contents[entry], lock: package.contents[lock]},
        requires_python=requires if isinstance(requires, str) else "",
        builds_source=has_source_only(packages),
    )


SCRIPT = Rule(
    kind=Kind.SCRIPT,
    looked_for="a *.py with a `# /// script` block (Python script with inline metadata)",
    candidates=_candidates,
    plan=_plan,
    runs=_runs,
)
