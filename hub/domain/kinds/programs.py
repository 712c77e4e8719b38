"""Kinds that a program of the machine starts: Node, Java, PowerShell, batch, shell; and programs themselves."""

import json
from typing import Any

from agent.wire.words import Kind
from hub.domain.kinds.package import Package, PackageError, Plan, Rule, table
from hub.domain.package_options import PackageOptions

_NODE_SUFFIXES = (".js", ".mjs", ".cjs")
_WITH_DEPENDENCIES = "-jar-with-dependencies.jar"


def _plain(_package: Package, entry: str, _options: PackageOptions) -> Plan:
    return Plan(entry=entry)


# --- Node ---


def _package_json(package: Package) -> dict[str, Any]:
    try:
        read = json.loads(package.text("package.json") or "{}")
    except ValueError as error:
        raise PackageError("bad_package_json", f"package.json: {error}") from None
    if not isinstance(read, dict):
        raise PackageError("bad_package_json", "package.json must hold an object")
    return read


def _node(package: Package) -> tuple[str, ...] | None:
    if not package.has("package.json"):
        return None
    said = _package_json(package)
    if "start" in table(said, "scripts"):
        # `npm start` (agent/builds/command_lines.py).
        return ("package.json",)
    main = said.get("main")
    named = main.removeprefix("./") if isinstance(main, str) else "index.js"
    found = [path for path in (named, f"{named}.js", f"{named}/index.js") if package.has(path)]
    return tuple(found[:1]) or tuple(path for path in ("index.js", "bot.js") if package.has(path))[:1]


def _is_node_entry(package: Package, entry: str) -> bool:
    return package.has(entry) and (entry.endswith(_NODE_SUFFIXES) or entry == "package.json")


# --- Java ---


def _java(package: Package) -> tuple[str, ...] | None:
    jars = [path for path in package.root_files(".jar") if "main-class:" in (package.text(path) or "").lower()]
    # Maven's assembly leaves two, and only one of them runs (maestro.md §5).
    whole = [path for path in jars if path.endswith(_WITH_DEPENDENCIES)]
    return tuple(whole or jars) or None


# --- scripts of the system ---


def _powershell(package: Package) -> tuple[str, ...] | None:
    return package.root_files(".ps1") or None


def _batch(package: Package) -> tuple[str, ...] | None:
    return package.root_files(".bat", ".cmd") or None


def _shell(package: Package) -> tuple[str, ...] | None:
    scripts = set(package.root_files(".sh"))
    for path, executable in package.executable.items():
        if executable and "/" not in path and package.first_line(path):
            scripts.add(path)
    return tuple(sorted(scripts)) or None


def _is_shell_entry(package: Package, entry: str) -> bool:
    return package.has(entry) and (entry.lower().endswith(".sh") or bool(package.first_line(entry)))


def _nothing(_package: Package) -> tuple[str, ...] | None:
    return None


NODE = Rule(
    kind=Kind.NODE,
    looked_for="package.json with a start script or a main file (Node)",
    candidates=_node,
    plan=_plain,
    runs=_is_node_entry,
)
JAVA = Rule(
    kind=Kind.JAVA,
    looked_for="a single *.jar with a main class (Java)",
    candidates=_java,
    plan=_plain,
    runs=lambda package, entry: package.has(entry) and entry.lower().endswith(".jar"),
)
POWERSHELL = Rule(
    kind=Kind.POWERSHELL,
    looked_for="a *.ps1 (PowerShell)",
    candidates=_powershell,
    plan=_plain,
    runs=lambda package, entry: package.has(entry) and entry.lower().endswith(".ps1"),
)
BATCH = Rule(
    kind=Kind.BATCH,
    looked_for="a *.bat or *.cmd (batch)",
    candidates=_batch,
    plan=_plain,
    runs=lambda package, entry: package.has(entry) and entry.lower().endswith((".bat", ".cmd")),
)
SHELL = Rule(
    kind=Kind.SHELL,
    looked_for="a *.sh, or an executable file that begins with #! (shell)",
    candidates=_shell,
    plan=_plain,
    runs=_is_shell_entry,
)
EXECUTABLE = Rule(
    kind=Kind.EXECUTABLE,
    looked_for="a file named by --entry (executable)",
    candidates=_nothing,
    plan=_plain,
    runs=lambda package, entry: package.has(entry),
)
