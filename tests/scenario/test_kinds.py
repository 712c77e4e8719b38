"""Every kind of bot through a real hub and a real runner: the samples as a user deploys them (bot-packages.md §2).

`pytest -s` prints the table kind -> sample -> outcome.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from agent.ports.tools import run_tool
from agent.ports.uv import find_uv
from hub.services.resolve import NotHere, RequirementResolver
from tests.support.rig import ROOT, Rig

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "samples" / "kinds"
MISSING = "no package index is reached"
LINE = b"totals of 2026-03: 3 invoices, 60.00"
TABLE = b"month,invoices,total\n2026-03,3,60.00\n"
PWSH = f"""#!{sys.executable} -I
import os, sys
print(sys.argv[1:])
print("totals of 2026-03: 3 invoices, 60.00")
with open(os.path.join(os.environ["BOTYARD_ARTIFACTS"], "totals.csv"), "w") as table:
    table.write("month,invoices,total\\n2026-03,3,60.00\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row: what is deployed, as what it is known, and what it needs of this machine."""

    name: str
    kind: str
    prepare: tuple[str, ...] = ()
    """A command that makes it ready, in a copy of its folder."""
    path: str = ""
    """What of the folder is deployed; empty for all of it."""
    options: tuple[str, ...] = ()
    index: bool = False
    """Its packages come from an index."""
    prints: bytes = LINE


UV = str(find_uv())
ARGV = b"['-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', 'totals.ps1', '-Month', "
SAMPLES_OF_KINDS = (
    Sample(name="robocorp", kind="robocorp", index=True),
    Sample(name="botcity-legacy", kind="botcity", index=True),
    Sample(name="botcity-command", kind="executable"),
    Sample(name="project-locked", kind="project", index=True, prepare=(UV, "lock")),
    Sample(name="project", kind="project", index=True),
    Sample(name="robot", kind="robot", index=True),
    Sample(name="script", kind="script", index=True),
    Sample(name="script-locked", kind="script", index=True, prepare=(UV, "lock", "--script", "totals.py")),
    Sample(name="python", kind="python", index=True),
    Sample(name="node", kind="node", index=True),
    Sample(
        name="java",
        kind="java",
        prepare=("sh", "-c", "javac -d . Totals.java && jar cfe totals.jar Totals Totals.class"),
        path="totals.jar",
    ),
    Sample(name="powershell", kind="powershell", prints=ARGV + b"'2026-03']"),
    Sample(name="shell", kind="shell"),
    Sample(
        name="executable", kind="executable", prepare=("cc", "-o", "totals", "totals.c"), options=("--entry", "totals")
    ),
)


@pytest.fixture(scope="module")
def has_index(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether packages can be had at all."""
    resolver = RequirementResolver(tmp_path_factory.mktemp("probe"), run_tool)
    return not isinstance(asyncio.run(resolver.resolve("idna\n", "3.11")), NotHere)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One hub and one runner for all kinds; PowerShell is a stand-in that shows its arguments."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "bin").mkdir()
    (folder / "bin" / "pwsh").write_text(PWSH)
    (folder / "bin" / "pwsh").chmod(0o755)
    rig = Rig(folder)
    rig.env["PATH"] = f"{folder / 'bin'}:{rig.env['PATH']}"
    async with rig:
        await rig.add_runner("runner")
        yield rig


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sample", SAMPLES_OF_KINDS, ids=lambda sample: sample.name)
async def test_each_kind_runs(rig: Rig, sample: Sample, *, has_index: bool) -> None:
    """Bot-packages.md §2: recognised, prepared, started with its parameter; its line and its table arrive."""
    if sample.index and not has_index:
        pytest.skip(MISSING)
    folder = await _sample(rig, sample)

    await rig.botyard("deploy", str(folder / sample.path), "--bot", sample.name, *sample.options, within=240)
    task = await rig.finished(await rig.submit(sample.name, month="2026-03"), within=90)

    output = await rig.output(task["id"])
    print(f"{sample.kind:12} {sample.name:16} {task['outcome']}")
    assert ("succeeded", None) == (task["outcome"], task["reason"]), output.decode()
    assert sample.prints in output
    assert sample.kind == (await rig.get(f"/api/v1/bots/{sample.name}/builds"))["items"][0]["kind"]
    assert TABLE == await _artifact(rig, task["id"], "totals.csv")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_batch_file_is_refused_where_no_windows_is(rig: Rig) -> None:
    """A machine that can't start a kind says so when the build is prepared; its task is refused: environment."""
    bot = rig.bot("batch", {"totals.bat": "@echo off\r\n"})
    deployed = await rig.botyard("deploy", str(bot), "--bot", "batch", code=1)

    assert b"batch files run on Windows only" in deployed.err
    assert b"Traceback" not in deployed.err
    task = await rig.finished(await rig.submit("batch"))
    assert ("refused", "environment") == (task["outcome"], task["reason"])


@pytest.mark.asyncio(loop_scope="module")
async def test_two_candidates_are_listed_with_the_option_that_chooses(rig: Rig) -> None:
    """Bot-packages.md §2: never guess."""
    bot = rig.bot("two", {"one.sh": "#!/bin/sh\necho one\n", "two.sh": "#!/bin/sh\necho two\n"})
    refused = await rig.botyard("deploy", str(bot), "--bot", "two", code=None)

    assert 0 != refused.code
    assert b"one.sh, two.sh" in refused.err
    assert b"--entry one.sh" in refused.err
    await rig.botyard("deploy", str(bot), "--bot", "two", "--entry", "two.sh", within=120)
    task = await rig.finished(await rig.submit("two"))
    assert b"two" in await rig.output(task["id"])


async def _sample(rig: Rig, sample: Sample) -> Path:
    """A copy of the sample's folder, made ready."""
    source = SAMPLES / sample.name.removesuffix("-locked")
    source = SAMPLES / sample.name if (SAMPLES / sample.name).is_dir() else source
    folder = rig.folder / "samples" / sample.name
    shutil.copytree(source, folder)
    if sample.prepare:
        made = await rig.run("sh", "-c", 'cd "$0" && shift 0 && exec "$@"', str(folder), *sample.prepare)
        assert 0 == made.code, made.err.decode()
    return folder


async def _artifact(rig: Rig, task_id: str, name: str) -> bytes:
    page = await rig.get(f"/api/v1/tasks/{task_id}/artifacts")
    found = [one for one in page["items"] if re.search(rf"(^|/){re.escape(name)}\Z", one["name"])]
    assert found, page
    body = await rig.get(f"/api/v1/artifacts/{found[0]['id']}/file")
    assert isinstance(body, bytes)
    return body.replace(b"\r\n", b"\n")
