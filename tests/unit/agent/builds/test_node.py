"""Packages of Node bots: made once by key, shared, never half (bot-packages.md §3)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.builds.errors import PreparationError
from agent.builds.node import NodePackages, short_npm_complaint
from agent.builds.programs import Programs
from agent.ports.files import SystemDisk
from agent.ports.tools import ToolCommand, ToolResult

LOCK = '{"lockfileVersion": 3}'


class Npm:
    """`RunTool` for node and npm: makes `node_modules`, or says what it was told to say."""

    def __init__(self) -> None:
        self.version = "v20.1.0"
        self.complaint = ""
        self.commands: list[ToolCommand] = []

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run as `RunTool` does."""
        del on_line
        if command.argv[1:] == ("--version",):
            return ToolResult(exit_code=0, output=f"{self.version}\n")
        self.commands.append(command)
        (command.cwd / "node_modules" / "ms").mkdir(parents=True)
        (command.cwd / "node_modules" / "ms" / "index.js").write_text("x")
        return ToolResult(exit_code=1 if self.complaint else 0, output=self.complaint)


class Home:
    """A runner's home with Node on its machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.npm = Npm()
        (root / "bin").mkdir()
        for name in ("node", "npm"):
            (root / "bin" / name).write_text("#!/bin/sh\n")
            (root / "bin" / name).chmod(0o755)
        self.told: list[str] = []

    def packages(self) -> NodePackages:
        """As a new daemon has them."""
        tools = self.root / "tools"
        programs = Programs(tools, self.npm, {"PATH": str(self.root / "bin")})
        return NodePackages(self.root / "node", tools, SystemDisk(), self.npm, programs)

    def tree(self, name: str, package: dict[str, object], **files: str) -> Path:
        """A build that is laid out here."""
        tree = self.root / name
        tree.mkdir()
        (tree / "package.json").write_text(json.dumps(package))
        for path, text in files.items():
            (tree / path.replace("__", ".")).write_text(text)
        return tree

    async def ensure(self, tree: Path, digest: str = "d") -> str | None:
        """Prepare a build."""
        return await self.packages().ensure(tree, digest, self.told.append)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path)


NEEDY: dict[str, object] = {"dependencies": {"ms": "^2"}, "scripts": {"postinstall": "node build.js"}}


async def test_the_same_lock_is_installed_once_and_shared(home: Home) -> None:
    one = home.tree("one", NEEDY, **{"package-lock__json": LOCK})
    two = home.tree("two", {**NEEDY, "name": "two"}, **{"package-lock__json": LOCK})

    keys = [await home.ensure(one), await home.ensure(two), await home.ensure(one)]

    assert 1 == len(set(keys))
    (command,) = home.npm.commands
    assert ("ci", "--omit=dev", "--prefer-offline") == command.argv[1:4]
    assert keys[0] is not None
    made = home.packages().ready(keys[0])
    assert made is not None
    assert (made / "ms" / "index.js").is_file()
    # The bot's own scripts would find none of its files there.
    assert "scripts" not in json.loads((made.parent / "package.json").read_text())


async def test_the_key_is_of_lock_and_node(home: Home) -> None:
    one = await home.ensure(home.tree("one", NEEDY, **{"package-lock__json": LOCK}))
    other = await home.ensure(home.tree("other", NEEDY, **{"package-lock__json": LOCK + " "}))
    home.npm.version = "v22.0.0"
    newer = await home.ensure(home.tree("newer", NEEDY, **{"package-lock__json": LOCK}))

    assert 3 == len({one, other, newer})


async def test_without_a_lock_npm_installs_what_package_json_says(home: Home) -> None:
    await home.ensure(home.tree("one", NEEDY))

    assert "install" == home.npm.commands[0].argv[1]
    assert ["installing packages with npm"] == home.told


@pytest.mark.parametrize(
    ("package", "has_modules"), [({}, False), ({"devDependencies": {"x": "1"}}, False), (NEEDY, True)]
)
async def test_what_needs_nothing_gets_nothing(home: Home, package: dict[str, object], *, has_modules: bool) -> None:
    """No dependencies, only those of development, or packages that came along."""
    tree = home.tree("one", package)
    if has_modules:
        (tree / "node_modules").mkdir()

    assert await home.ensure(tree) is None
    assert [] == home.npm.commands


async def test_a_dependency_in_the_build_takes_all_of_it_along(home: Home) -> None:
    tree = home.tree("one", {"dependencies": {"own": "file:./own.tgz"}}, own__tgz="x")

    first, second = await home.ensure(tree, "d1"), await home.ensure(tree, "d2")

    assert first != second
    assert (home.npm.commands[0].cwd / "own.tgz").is_file()


@pytest.mark.parametrize(
    ("complaint", "is_permanent"),
    [("npm error code E404\nnpm error 404 Not Found - ms@9\n", True), ("npm error code EAI_AGAIN\n", False)],
)
async def test_a_failure_says_npms_own_words_and_leaves_nothing(
    home: Home, complaint: str, *, is_permanent: bool
) -> None:
    home.npm.complaint = complaint
    tree = home.tree("one", NEEDY)

    with pytest.raises(PreparationError, match="npm install failed: code") as failed:
        await home.ensure(tree)

    assert is_permanent == failed.value.is_permanent
    assert [] == [path for path in (home.root / "node").iterdir() if path.is_dir()]


async def test_packages_that_a_run_changed_are_made_again(home: Home) -> None:
    tree = home.tree("one", NEEDY)
    key = await home.ensure(tree)
    (home.root / "node" / str(key) / "node_modules" / "ms" / "index.js").write_text("other")

    assert home.packages().ready(str(key)) is None
    assert key == await home.ensure(tree)
    assert 2 == len(home.npm.commands)


def test_npms_complaint_is_short() -> None:
    output = (
        "npm warn x\nnpm error code E404\nnpm error\nnpm error 404 gone\n"
        "npm error A complete log of this run can be found in: /x/_logs/1.log\n"
    )
    assert "code E404\n404 gone" == short_npm_complaint(output)
