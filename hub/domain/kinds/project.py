"""Python projects: `pyproject.toml` with `[project]`, locked by `uv.lock` or not (bot-packages.md §2.1).

A locked project is exported in the hub (`hub/services/resolve.py`). An unlocked one is resolved from its `dependencies`
as a requirement list is, and the result stored with the build; not by `uv lock`, which may have to run the project's
own set-up code to learn what it needs, and reads addresses and paths from `[tool.uv]` (S25, S47).
"""

import re
from typing import Any

from agent.wire.starting import Start
from agent.wire.words import Kind
from hub.domain.kinds.package import (
    Package,
    PackageError,
    Plan,
    Rule,
    has_module,
    has_source_only,
    locked_packages,
    modules_with_main,
    project_table,
    python_of,
    read_toml,
    table,
    tables,
    texts,
)
from hub.domain.package_options import PackageOptions
from hub.domain.requirements import LockFile, Requirements, check_lines, normalized_name

_ROOTS = ("", "src/")
_FILES = ("main.py", "bot.py", "__main__.py")
_FUNCTION = re.compile(r"(?P<module>[\w.]+):(?P<name>[\w.]+)\Z")
_VERSIONS = re.compile(r"\A\s*[A-Za-z0-9._-]+\s*(?:\[[^\]]*\])?")
"""What stands before the versions of a requirement."""

_UNREAD_SETTINGS = ("sources", "override-dependencies", "constraint-dependencies")


def project_requirements(package: Package) -> Requirements | LockFile | None:
    """What a project needs: its lock, else its dependencies; None for nothing. Raises PackageError."""
    project = project_table(package)
    wanted = texts(project.get("dependencies"), "dependencies of pyproject.toml")
    if not wanted:
        return None
    if package.has("uv.lock"):
        return _lock(package, project, wanted)
    settings = table(_pyproject(package), "tool", "uv")
    if unread := [name for name in _UNREAD_SETTINGS if settings.get(name)]:
        raise PackageError(
            "lock_needed",
            f"pyproject.toml has {', '.join(unread)} in [tool.uv], which count only in a lock: run `uv lock`, and "
            "deploy with uv.lock",
        )
    return check_lines(wanted, "pyproject.toml")


def _lock(package: Package, project: dict[str, Any], wanted: tuple[str, ...]) -> LockFile:
    packages = locked_packages(package, "uv.lock")
    locked = {normalized_name(str(one.get("name", ""))) for one in packages}
    if missing := sorted(name for name in map(normalized_name, wanted) if name not in locked):
        raise PackageError("stale_lock", f"uv.lock lacks {', '.join(missing)} of pyproject.toml: run `uv lock` again")
    files = {path: data for path, data in package.contents.items() if path.endswith("pyproject.toml")}
    requires = project.get("requires-python")
    return LockFile(
        path="uv.lock",
        files={**files, "uv.lock": package.contents["uv.lock"]},
        requires_python=requires if isinstance(requires, str) else "",
        is_computed=bool(project.get("dynamic")),
        builds_source=has_source_only(packages),
        differs=_differing(packages, wanted),
    )


def _differing(packages: list[dict[str, Any]], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Packages whose versions the lock was not made for, by a comparison of clauses: less than uv's own, but free."""
    roots = [one for one in packages if table(one, "source").keys() & {"virtual", "editable"}]
    meant = [one for root in roots for one in tables(table(root, "metadata").get("requires-dist"))]
    locked = {(normalized_name(str(one.get("name"))), _clauses(str(one.get("specifier", "")))) for one in meant}
    asked = {(normalized_name(line), _clauses(_VERSIONS.sub("", line.split(";")[0]))) for line in wanted}
    return tuple(sorted({name for name, _ in asked - locked}))


def _clauses(versions: str) -> frozenset[str]:
    return frozenset(filter(None, re.sub(r"[\s()]", "", versions).split(",")))


def _pyproject(package: Package) -> dict[str, Any]:
    return read_toml(package, "pyproject.toml", "bad_pyproject")


def _candidates(package: Package) -> tuple[str, ...] | None:
    project = project_table(package)
    if not project:
        _refuse_poetry(package)
        return None
    if package.has("requirements.txt") and not project.get("dependencies"):
        # The project's list is elsewhere; setuptools reads it from there, too.
        return None
    scripts = tuple(table(project, "scripts"))
    if len(scripts) == 1:
        return scripts
    files = tuple(name for name in _FILES if package.has(name))
    return files or modules_with_main(package, _ROOTS) or scripts


def _refuse_poetry(package: Package) -> None:
    wanted = set(table(_pyproject(package), "tool", "poetry", "dependencies")) - {"python"}
    if wanted and not package.has("requirements.txt"):
        raise PackageError(
            "kind_not_supported",
            "this project's dependencies stand in [tool.poetry], which this hub does not read; move them to [project], "
            "or add a requirements.txt (poetry export makes one)",
            ("pyproject.toml with [project] (Python project)",),
        )


def _is_installed(package: Package) -> bool:
    """As uv decides: a project with a build system is a package, unless it says otherwise."""
    pyproject = _pyproject(package)
    said = table(pyproject, "tool", "uv").get("package")
    return bool(said) if said is not None else "build-system" in pyproject


def _meant(package: Package, entry: str) -> tuple[str, Start] | None:
    """What an entry names: a file, a script of the project, a function or a module; None for none of them."""
    folder, _, name = entry.rpartition("/")
    if name == "__main__.py" and package.has(f"{folder}/__init__.py"):
        entry = folder.removeprefix("src/").replace("/", ".")
    elif package.has(entry):
        return entry, Start.FILE
    scripts = table(project_table(package), "scripts")
    if entry in scripts and _is_installed(package):
        return entry, Start.COMMAND
    function = _FUNCTION.match(str(scripts.get(entry, entry)).split("[")[0].strip())
    if function is not None and _is_importable(package, function["module"]):
        return function.group(), Start.FUNCTION
    return (entry, Start.MODULE) if has_module(package, entry, _ROOTS) else None


def _is_importable(package: Package, module: str) -> bool:
    path = module.replace(".", "/")
    return any(package.has(f"{root}{path}{end}") for root in _ROOTS for end in (".py", "/__init__.py"))


def _find(package: Package, entry: str) -> str | None:
    return entry if _meant(package, entry) is not None else None


def _runs(package: Package, entry: str) -> bool:
    if _candidates(package) is None:
        return False
    meant = _meant(package, entry)
    return meant is not None and (meant[1] is not Start.FILE or entry.endswith((".py", ".pyw")))


def _plan(package: Package, entry: str, options: PackageOptions) -> Plan:
    meant = _meant(package, entry) or (entry, Start.FILE)
    is_installed = _is_installed(package)
    has_source_folder = not is_installed and package.has_below("src", ".py")
    return Plan(
        entry=meant[0],
        start=meant[1],
        python=python_of(package, options),
        requirements=project_requirements(package),
        install=is_installed,
        python_path=("src",) if has_source_folder else (),
    )


PROJECT = Rule(
    kind=Kind.PROJECT,
    looked_for="pyproject.toml with [project], and in it one script, or main.py, bot.py, __main__.py (Python project)",
    candidates=_candidates,
    plan=_plan,
    runs=_runs,
    find=_find,
    entries="entries",
)
