"""Locks that packages bring along, and what is said of requirements that the hub can't resolve (bot-packages.md §3)."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.ports.tools import ToolCommand, ToolResult
from agent.wire.builds import SOURCE_MARK
from hub.domain.requirements import LockFile
from hub.services.resolve import Locked, NotHere, RequirementResolver, Unresolvable

LIST = f"idna==3.10 --hash=sha256:{'0' * 64}\n"
ANOTHER_PYTHON = f">=3.{sys.version_info.minor + 1}"
STALE = "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided."
OFFLINE = "error: No solution found\nhint: Packages were unavailable because the network was disabled."


class Uv:
    """A tool that writes this list, or complains."""

    def __init__(self, text: str = LIST, complaint: str = "") -> None:
        self.text = text
        self.complaint = complaint
        self.commands: list[ToolCommand] = []
        self.saw: set[str] = set()

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run as `RunTool` does."""
        del on_line
        self.commands.append(command)
        self.saw = {path.relative_to(command.cwd).as_posix() for path in command.cwd.rglob("*") if path.is_file()}
        if self.complaint:
            return ToolResult(exit_code=2, output=self.complaint)
        (command.cwd / "requirements.lock").write_text(self.text)
        return ToolResult(exit_code=0, output="")


def lock(**more: object) -> LockFile:
    """A project's lock."""
    files = {"uv.lock": b"version = 1\n", "pyproject.toml": b"[project]\n", "packages/a/pyproject.toml": b""}
    return LockFile(path="uv.lock", files=files, **more)  # type: ignore[arg-type]  # what a case names


async def test_a_lock_is_exported_offline_without_running_anything(tmp_path: Path) -> None:
    """S25, S47: the hub asks no address that a package names, and runs none of its code."""
    uv = Uv()

    found = await RequirementResolver(tmp_path, uv, uv=Path("/uv")).export(lock())

    assert Locked(text=LIST) == found
    argv = uv.commands[0].argv
    assert {"export", "--offline", "--no-build", "--locked", "--no-dev", "--no-emit-project"} <= set(argv)
    assert {"uv.lock", "pyproject.toml", "packages/a/pyproject.toml"} == uv.saw
    assert [] == list(tmp_path.glob("export-*"))


@pytest.mark.parametrize("more", [{"is_computed": True}, {"requires_python": ANOTHER_PYTHON}])
async def test_what_cannot_be_compared_here_is_believed_unless_it_plainly_differs(
    tmp_path: Path, more: dict[str, object]
) -> None:
    uv = Uv()
    resolver = RequirementResolver(tmp_path, uv, uv=Path("/uv"))

    assert isinstance(await resolver.export(lock(**more)), Locked)
    assert "--frozen" in uv.commands[0].argv
    stale = await resolver.export(lock(**more, differs=("idna",)))
    assert (
        Unresolvable(problem="uv.lock is older than what it locks (idna): run `uv lock` again and deploy anew") == stale
    )


@pytest.mark.parametrize("complaint", [STALE, OFFLINE])
async def test_a_stale_lock_says_what_to_run(tmp_path: Path, complaint: str) -> None:
    resolver = RequirementResolver(tmp_path, Uv(complaint=complaint), uv=Path("/uv"))

    project = await resolver.export(lock())
    script = await resolver.export(LockFile(path="t.py.lock", script="t.py", files={"t.py": b"", "t.py.lock": b""}))

    assert isinstance(project, Unresolvable)
    assert isinstance(script, Unresolvable)
    assert "run `uv lock` again" in project.problem
    assert "run `uv lock --script t.py` again" in script.problem


@pytest.mark.parametrize("text", ["-e ./packages/a\n", "x @ git+https://example.org/x\n", "idna==3.10\n"])
async def test_only_packages_of_an_index_with_their_hashes_are_taken(tmp_path: Path, text: str) -> None:
    found = await RequirementResolver(tmp_path, Uv(text), uv=Path("/uv")).export(lock())

    assert isinstance(found, Unresolvable)
    assert "no exact version with its hashes" in found.problem


async def test_packages_without_a_wheel_are_built_by_runners(tmp_path: Path) -> None:
    found = await RequirementResolver(tmp_path, Uv(), uv=Path("/uv")).export(lock(builds_source=True))

    assert Locked(text=f"{SOURCE_MARK}\n{LIST}") == found


async def test_leaving_it_to_a_runner_is_no_error(tmp_path: Path) -> None:
    """`deploy` shows the first line: what happens next, not a tool's "error: No solution found"."""
    complaint = (
        "error: No solution found when resolving dependencies\n  cause: Because all versions of botcity-x have no "
        "usable wheels and you require botcity-x, we can conclude that your requirements are unsatisfiable.\n"
    )
    found = await RequirementResolver(tmp_path, Uv(complaint=complaint), uv=Path("/uv")).resolve("botcity-x\n", "3.11")

    assert NotHere(why="botcity-x has no wheel and has to be built from source; a runner does it") == found
