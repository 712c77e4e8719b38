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
from tests.support.waiting import eventually

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
    needs: tuple[str, ...] = ()
    """Programs without which it can't be tried here."""
    prints: bytes = LINE


UV = str(find_uv())
ARGV = b"['-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', 'totals.ps1', '-Month', "
SAMPLES_OF_KINDS = (
    Sample(name="robocorp", kind="robocorp", index=True),
    Sample(name="botcity-legacy", kind="botcity", index=True),
    Sample(name="botcity-command", kind="executable", needs=("curl",)),
    Sample(name="project-locked", kind="project", index=True, prepare=(UV, "lock")),
    Sample(name="project", kind="project", index=True),
    Sample(name="robot", kind="robot", index=True),
    Sample(name="script", kind="script", index=True),
    Sample(name="script-locked", kind="script", index=True, prepare=(UV, "lock", "--script", "totals.py")),
    Sample(name="python", kind="python", index=True),
    Sample(name="node", kind="node", index=True, needs=("node", "npm")),
    Sample(
        name="java",
        kind="java",
        needs=("javac", "jar"),
        prepare=("sh", "-c", "javac -d . Totals.java && jar cfe totals.jar Totals Totals.class"),
        path="totals.jar",
    ),
    Sample(name="powershell", kind="powershell", prints=ARGV + b"'2026-03']"),
    Sample(name="shell", kind="shell"),
    Sample(
        name="executable",
        kind="executable",
        needs=("cc",),
        prepare=("cc", "-o", "totals", "totals.c"),
        options=("--entry", "totals"),
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
        # The runner's helpers stand from its first bot on; a test that came first would be blamed for leaving them.
        await rig.deploy("first", {"first.sh": "#!/bin/sh\n"})
        await rig.finished(await rig.submit("first"))
        yield rig


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sample", SAMPLES_OF_KINDS, ids=lambda sample: sample.name)
async def test_each_kind_runs(rig: Rig, sample: Sample, *, has_index: bool) -> None:
    """Bot-packages.md §2: recognised, prepared, started with its parameter; its line and its table arrive."""
    if sample.index and not has_index:
        pytest.skip(MISSING)
    if lacking := [name for name in sample.needs if shutil.which(name) is None]:
        pytest.skip(f"this machine has no {lacking[0]}")
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


@pytest.mark.asyncio(loop_scope="module")
async def test_a_missing_program_is_told_by_the_runner_that_lacks_it(rig: Rig) -> None:
    """Found when the build is prepared, never first at a start: the sentence names it and says what to do."""
    whole, rig.env["PATH"] = rig.env["PATH"], str(rig.folder / "nothing")
    await rig.add_runner("bare", "--label", "bare=yes")
    rig.env["PATH"] = whole
    bot = rig.bot("nodeless", {"package.json": "{}", "index.js": "", "botyard.toml": 'needs = { bare = "yes" }\n'})

    deployed = await rig.botyard("deploy", str(bot), "--bot", "nodeless", code=1)

    assert b"this machine has no node on its PATH; install Node.js and restart the runner" in deployed.err
    task = await rig.finished(await rig.submit("nodeless"))
    assert ("refused", "environment") == (task["outcome"], task["reason"])
    await rig.end_runner("bare")


ROBOT = """tasks:
  Say It:
    shell: sh task.sh
preRunScripts:
  - sh prepare.sh
  - sh prepare_windows.sh
artifactsDir: out/files
"""


@pytest.mark.asyncio(loop_scope="module")
async def test_a_robots_scripts_run_before_it_and_its_output_is_among_its_artifacts(rig: Rig) -> None:
    """Bot-packages.md §4: preRunScripts, artifactsDir, ROBOT_ARTIFACTS, stdout.log and stderr.log."""
    files = {
        "robot.yaml": ROBOT,
        "prepare.sh": "echo prepared > prepared.txt\n",
        "task.sh": 'cat prepared.txt; echo oh >&2; cp prepared.txt "$ROBOT_ARTIFACTS/kept.txt"\n',
    }
    await rig.deploy("steps", files)
    task = await rig.finished(await rig.submit("steps"))

    assert "succeeded" == task["outcome"], await rig.output(task["id"])
    assert b"prepared\n" == await _artifact(rig, task["id"], "kept.txt")
    assert b"prepared\n" == await _artifact(rig, task["id"], "stdout.log")
    assert b"oh\n" in await _artifact(rig, task["id"], "stderr.log")

    failing = {**files, "prepare.sh": "exit 9\n"}
    await rig.deploy("steps-fail", failing)
    task = await rig.finished(await rig.submit("steps-fail"))
    assert ("failed", 9) == (task["outcome"], task["exit_code"])


SUITE = """*** Tasks ***
First
    Log    1
Second
    Sleep    60
"""


@pytest.mark.asyncio(loop_scope="module")
async def test_a_suite_tells_its_progress_while_it_runs(rig: Rig, *, has_index: bool) -> None:
    """Bot-packages.md §5: live progress by ROBOT_OPTIONS, without touching the bot."""
    if not has_index:
        pytest.skip(MISSING)
    await rig.botyard("deploy", str(rig.bot("suite", {"slow.robot": SUITE})), "--bot", "suite", within=240)
    task_id = await rig.submit("suite")

    async def told() -> bool:
        progress = (await rig.task(task_id))["progress"]
        return progress is not None and (50, "1 of 2: Second") == (progress["percent"], progress["text"])

    await eventually(told, within=60, saying="no progress of the suite was told")
    await rig.botyard("task", "kill", task_id)
    assert "failed" == (await rig.finished(task_id, within=60))["outcome"]


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
