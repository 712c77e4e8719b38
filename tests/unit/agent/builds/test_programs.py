"""What a machine must have for a kind, and what it is told that it lacks (bot-packages.md §2, §4)."""

import sys
from pathlib import Path

import pytest

from agent.builds.errors import PreparationError
from agent.builds.platforms import needs_here, this_platform
from agent.builds.programs import Programs, fits
from agent.ports.tools import run_tool
from agent.wire.starting import PLATFORMS, PlatformNeeds
from agent.wire.task import Launch
from agent.wire.words import Kind


class Machine:
    """A machine with nothing but the programs that a test puts on its PATH."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.bin.mkdir()
        self.told: list[str] = []
        self.programs = Programs(root, run_tool, {"PATH": str(self.bin)})

    def has(self, name: str, says: str = "") -> None:
        """Install a program that says this of its version."""
        (self.bin / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (self.bin / name).chmod(0o755)

    async def check(self, launch: Launch) -> str:
        """What it lacks; empty for nothing."""
        try:
            await self.programs.check(launch, self.told.append)
        except PreparationError as error:
            return error.message if error.is_permanent else "told for a while only"
        return ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty machine."""
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("launch", "program"),
    [
        (Launch(kind=Kind.NODE, entry="index.js"), "node"),
        (Launch(kind=Kind.JAVA, entry="x.jar"), "java"),
        (Launch(kind=Kind.POWERSHELL, entry="x.ps1"), "pwsh"),
        (Launch(kind=Kind.POWERSHELL, entry="x.ps1"), "powershell"),
    ],
)
async def test_a_missing_program_is_named_with_what_to_do(machine: Machine, launch: Launch, program: str) -> None:
    """Found when the build is prepared, never first at its start."""
    lacking = await machine.check(launch)
    machine.has(program)

    assert f"this machine has no {program.replace('powershell', 'pwsh')} on its PATH; install" in lacking
    assert "restart the runner" in lacking
    assert "" == await machine.check(launch)


async def test_npm_is_needed_to_start_by_it(machine: Machine) -> None:
    machine.has("node")

    assert "no npm" in await machine.check(Launch(kind=Kind.NODE, entry="package.json"))
    assert "" == await machine.check(Launch(kind=Kind.NODE, entry="index.js"))


async def test_batch_files_are_for_windows(machine: Machine) -> None:
    lacking = await machine.check(Launch(kind=Kind.BATCH, entry="x.bat"))

    assert (sys.platform != "win32") == ("Windows only" in lacking)


async def test_a_command_of_ones_own_needs_no_program_of_the_kind(machine: Machine) -> None:
    assert "" == await machine.check(Launch(kind=Kind.JAVA, entry="", command=("jre/bin/java", "-jar", "x.jar")))


async def test_programs_that_a_conda_list_names_are_the_machines(machine: Machine) -> None:
    """§4: in a fitting version, and with a word about it."""
    needs = PlatformNeeds(platforms=PLATFORMS, config="conda.yaml", programs=("nodejs=18", "git"))
    robot = Launch(kind=Kind.ROBOCORP, entry="A", command=("x",), needs=(needs,))

    machine.has("git", "git version 2.43.0")
    assert "conda.yaml asks for nodejs=18: this machine has no node" in await machine.check(robot)
    machine.has("node", "v20.1.2")
    assert "asks for nodejs=18, and this machine has node 20.1.2" in await machine.check(robot)
    machine.has("node", "v18.19.0")
    machine.told.clear()
    assert "" == await machine.check(robot)
    assert ["using node 18.19.0 of this machine for nodejs=18", "using git 2.43.0 of this machine for git"] == (
        machine.told
    )


async def test_what_only_conda_could_bring_is_named(machine: Machine) -> None:
    """§4: environment error that names the packages."""
    needs = PlatformNeeds(platforms=PLATFORMS, config="conda.yaml", impossible=("gdal", "r-base"))

    lacking = await machine.check(Launch(kind=Kind.ROBOCORP, entry="A", command=("x",), needs=(needs,)))

    assert "conda.yaml asks for gdal, r-base, which only conda could bring" in lacking


@pytest.mark.parametrize(
    ("wanted", "version", "fit"),
    [
        ("", "", True),
        ("=18", "18.2.1", True),
        ("=18.12.1", "18.2.1", True),
        ("=18", "20.1", False),
        (">=18,<20", "18.2", True),
        (">=18,<20", "20.0.1", False),
        ("!=18", "18.2", False),
        ("=18", "", False),
    ],
)
def test_a_version_fits_by_its_clauses_or_its_major(wanted: str, version: str, *, fit: bool) -> None:
    assert fit == fits(wanted, version)


def test_a_machine_knows_its_platform() -> None:
    assert "windows_amd64" == this_platform("win32", "AMD64")
    assert ("darwin_arm64", "linux_arm64") == (this_platform("darwin", "arm64"), this_platform("linux", "aarch64"))
    assert this_platform() in PLATFORMS


def test_each_platform_has_its_needs() -> None:
    needs = (
        PlatformNeeds(platforms=("linux_amd64",), python="3.10"),
        PlatformNeeds(platforms=("windows_amd64",), python="3.11"),
    )
    launch = Launch(kind=Kind.ROBOCORP, entry="A", python="3.10", needs=needs)

    assert "3.11" == needs_here(launch, "windows_amd64").python
    assert "3.10" == needs_here(launch, "darwin_arm64").python
    assert ">=3.11" == needs_here(Launch(kind=Kind.PYTHON, entry="m.py", python=">=3.11")).python
