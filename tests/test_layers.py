"""Who may import whom (design.md §2), read from the syntax trees.

`hub.{cli,web,api,maestro,robocorp,runners}` > `hub.services` > `hub.domain`, `hub.storage`; adapters never see each
other; `hub.app` composes; `agent` never sees `hub`; `hub` sees of `agent` the wire and the ports only.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = frozenset({"cli", "web", "api", "maestro", "robocorp", "runners"})
PURE_LIBRARIES = frozenset({"cronsim", "holidays", "jsonschema_rs", "pydantic", "ruamel"})
# Pure files decide; they ask nobody (style.md §2.4).
PURE = ("hub.domain", "agent.wire", "agent.session", "agent.execution")
IMPURE = frozenset({"asyncio", "time", "random", "secrets", "socket", "os", "subprocess", "threading"})
# fmt: off
HUB_LIBRARIES = frozenset({
    "sqlalchemy", "alembic", "openapi_pydantic", "jinja2", "argon2", "joserfc", "cronsim", "holidays", "cel",
    "jsonschema_rs", "ruamel", "obstore", "pyfastcdc", "prometheus_client", "opentelemetry", "orjson", "uvloop",
    "aiosmtplib", "limits", "uuid_utils", "typer", "rich", "asyncpg",
})
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported name: which file asks for what, and whether at import time."""

    importer: str
    target: str
    is_eager: bool


def sources() -> dict[str, str]:
    """Every module of the product with its text."""
    files = [file for folder in ("agent", "hub") for file in sorted((ROOT / folder).rglob("*.py"))]
    return {module_name(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def module_name(path: Path) -> str:
    """Turn `agent/wire/__init__.py` into `agent.wire`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: str, text: str) -> Iterator[Import]:
    """Every import of a module, those inside functions (not eager) included; those for type checkers left out."""

    def visit(node: ast.AST, *, is_eager: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(importer=module, target=name.name, is_eager=is_eager) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module}: relative import"
                names = (f"{child.module}.{name.name}" for name in child.names)
                yield from (Import(importer=module, target=name, is_eager=is_eager) for name in names)
            elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
                is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, is_eager=is_eager and not is_function)

    return visit(ast.parse(text), is_eager=True)


def is_within(name: str, *packages: str) -> bool:
    """Say whether a dotted name is one of the packages or below it."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def second(name: str) -> str:
    """Return the second part of a dotted name: the layer, in the hub."""
    return [*name.split("."), ""][1]


def problem(edge: Import) -> str | None:
    """Say which rule an import breaks."""
    importer, target = edge.importer, edge.target
    top = target.partition(".")[0]
    layer = second(importer)
    target_layer = second(target) if top == "hub" else ""
    if is_within(importer, *PURE) and top in IMPURE:
        return "a pure file asks the machine"
    if is_within(importer, "agent"):
        if top == "hub" or top in HUB_LIBRARIES:
            return "the agent knows nothing of the hub and its libraries"
        return None
    if top == "agent" and not is_within(target, "agent.wire", "agent.ports"):
        return "the hub sees of the agent its wire and ports only"
    if top == "sqlalchemy" and layer != "storage":
        return "SQL lives in hub.storage only"
    if target_layer == "app" and layer not in {"app", "cli"}:
        return "only the command line starts the composition root"
    return problem_in_hub(layer, target_layer, top)


def problem_in_hub(layer: str, target_layer: str, top: str) -> str | None:
    """Say which rule between the hub's own layers an import breaks."""
    is_standard = top in sys.stdlib_module_names
    if layer == "domain" and not (
        is_standard or top in PURE_LIBRARIES or top == "agent" or target_layer in {"domain", "errors"}
    ):
        return "the domain sees the standard library, the wire and pure libraries"
    if layer == "storage" and target_layer in ADAPTERS | {"services"}:
        return "storage is below the services"
    if layer == "services" and target_layer in ADAPTERS:
        return "services are below the adapters"
    if layer in ADAPTERS and target_layer in ADAPTERS - {layer}:
        return "adapters never see each other"
    return None


TASK_KEEPERS = frozenset({"agent.gateway.under_way"})
"""Outlive the calls that began them: kept, bounded, awaited and canceled in one place, as a TaskGroup that is opened in
one task and closed in another can't be."""


def violations(modules: Mapping[str, str]) -> list[str]:
    """Every broken import rule, and every bare task, as lines for people."""
    found = []
    for module, text in modules.items():
        edges = [(edge, problem(edge)) for edge in imports(module, text)]
        found += [f"{module} imports {edge.target}: {reason}" for edge, reason in edges if reason]
        if module not in TASK_KEEPERS:
            found += [f"{module}:{line}: a bare task; use a TaskGroup" for line in bare_tasks(text)]
    return found


def bare_tasks(text: str) -> list[int]:
    """Lines that start a task outside a TaskGroup (style.md §2.8)."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))
    makers = (node for node in calls if node.attr in {"create_task", "ensure_future"})
    return [node.lineno for node in makers if isinstance(node.value, ast.Name) and node.value.id in {"asyncio", "loop"}]


def cycles(modules: Mapping[str, str]) -> list[str]:
    """Every circle of imports at import time, as `a > b > a`."""
    graph = {module: _eager_targets(module, text, modules) for module, text in modules.items()}
    done: set[str] = set()
    found: list[str] = []

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append(" > ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in sorted(graph[module]):
                walk(target, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def _eager_targets(module: str, text: str, modules: Mapping[str, str]) -> set[str]:
    targets = set()
    for edge in imports(module, text):
        # `from package import name`: name may be a module, or something inside the package.
        owner = edge.target if edge.target in modules else edge.target.rpartition(".")[0]
        if edge.is_eager and owner in modules and owner != module:
            targets.add(owner)
    return targets


def test_imports_follow_the_layers() -> None:
    """P1: machines that decide (hub/domain, session, execution, wire) ask neither clock, chance, loop nor disk."""
    assert [] == violations(sources())


def test_there_are_no_import_cycles() -> None:
    assert [] == cycles(sources())


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("agent.daemon", "from hub.domain import task"),
        ("agent.spool", "import sqlalchemy"),
        ("agent.session", "import time"),
        ("agent.wire.ids", "from os import urandom"),
        ("hub.domain.task", "import asyncio"),
        ("hub.domain.task", "from hub.storage import tasks"),
        ("hub.domain.task", "import aiohttp"),
        ("hub.services.tasks", "from hub.api import tasks"),
        ("hub.services.tasks", "import sqlalchemy as sa"),
        ("hub.storage.tasks", "from hub.services import tasks"),
        ("hub.api.tasks", "def f():\n    from hub.maestro import tasks"),
        ("hub.runners.session", "from agent.session import Session"),
        ("hub.web.pages", "import hub.app"),
        ("hub.services.loops", "import asyncio\nasyncio.create_task(f())"),
    ],
)
def test_a_violation_is_caught(module: str, line: str) -> None:
    assert 1 == len(violations({module: line}))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("hub.api.tasks", "from hub.services import tasks"),
        ("hub.app", "from hub.api import tasks\nfrom hub.runners import session"),
        ("hub.cli.hub", "def f():\n    from hub.app import run"),
        ("hub.domain.trigger", "from cronsim import CronSim\nfrom agent.wire.words import Outcome"),
        ("hub.services.tasks", "from agent.ports.clock import Clock"),
        ("agent.daemon", "import time"),
        ("agent.session", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio"),
    ],
)
def test_what_is_allowed_passes(module: str, line: str) -> None:
    assert [] == violations({module: line})


def test_a_cycle_is_caught() -> None:
    """Only imports at import time make a circle; one inside a function breaks it."""
    assert ["hub.a > hub.b > hub.a"] == cycles({"hub.a": "import hub.b", "hub.b": "from hub.a import x"})
    assert [] == cycles({"hub.a": "import hub.b", "hub.b": "def f():\n    import hub.a"})


def test_the_agent_runs_without_the_hub_libraries() -> None:
    """libraries.md: the base install never imports anything of [hub], not even through a library of its own."""
    elsewhere = ("__main__", "_posix" if sys.platform == "win32" else "_windows")
    names = [name for name in sources() if is_within(name, "agent") and not name.endswith(elsewhere)]
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)

    assert "" == done.stderr
    assert set() == HUB_LIBRARIES & set(done.stdout.split())


def test_the_libraries_of_the_agent_are_those_it_declares() -> None:
    """A library that the agent imports stands among the base dependencies or in an extra of its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["env"], *extras["desktop"], *extras["update"]]
    known = {requirement.split(">")[0].split(";")[0].strip().replace("-", "_") for requirement in declared}
    of_pywin32 = {"win32api", "win32con", "win32event", "win32job", "win32process", "win32security", "win32service"}
    of_pywin32 |= {
        "win32file",
        "win32pipe",
        "win32serviceutil",
        "win32ts",
        "win32profile",
        "win32crypt",
        "ntsecuritycon",
        "servicemanager",
        "pywintypes",
        "winerror",
    }
    wanted = {
        edge.target.partition(".")[0]
        for name, text in sources().items()
        if is_within(name, "agent")
        for edge in imports(name, text)
    }

    known |= of_pywin32 | {"agent", "backports", "compression", *sys.stdlib_module_names}
    known |= {"yarl", "multidict"}  # aiohttp's own words for addresses and headers

    assert set() == wanted - known
