"""What a bot says by printing, from its pipe to whoever looks at the task (bot-packages.md §7, layer 2)."""

from pathlib import Path
from typing import Any

from tests.support.rig import Rig
from tests.support.waiting import eventually

SPEAKER = """#!/bin/sh
echo "::group::Log-in"
echo "::add-mask::session-4711-x"
echo "::warning title=Slow,file=run.sh,line=3::session-4711-x is slow%0Aagain"
echo "::endgroup::"
echo "::progress percent=40::with session-4711-x"
while [ ! -e "$BOTYARD_PARAM_FOLDER/go" ]; do sleep 0.05; done
echo "reading" >&2
echo "login: session-4711-x was refused: permission denied" >&2
exit "$BOTYARD_PARAM_CODE"
"""
TOML = 'lines = "off"\n'


async def test_lines_are_shown_while_it_runs_and_why_it_failed_when_it_has(tmp_path: Path) -> None:
    """Progress, level and group live; the last error line in the message of a failure, and in none of a success."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("speaker", {"run.sh": SPEAKER})
        failing = await rig.submit("speaker", folder=str(tmp_path), code="3")

        # when it runs, its progress is seen
        async def progress() -> Any:
            return (await rig.task(failing)).get("progress")

        seen = await eventually(progress, within=30, saying="its progress is not shown")
        assert (seen["percent"], seen["text"]) == (40.0, "with ***")

        # and a new daemon, who never heard it, tells it again to a new session
        await rig.runners["desk-1"].kill()
        await rig.start_runner("desk-1")
        (tmp_path / "go").touch()
        task = await rig.finished(failing)
        message = "ended with exit code 3: login: *** was refused: permission denied"
        assert (task["outcome"], task["reason"], task["message"]) == ("failed", "exit_code", message)
        assert message in (await rig.botyard("task", "show", failing)).text
        said = [(one["level"], one["title"], one["text"]) for one in task["annotations"]]
        assert said == [("warning", "Slow", "*** is slow\nagain")]

        # then its lines are marked, and stay as they were printed
        page = await rig.get(f"/api/v1/tasks/{failing}/output")
        marks = [(line["level"] or line["group"], line["said"]) for line in page["lines"] if line["said"] is not None]
        assert marks == [("begin", "Log-in"), ("warning", "*** is slow\nagain"), ("end", "")]
        assert b"::add-mask::***\n" in (await rig.botyard("logs", failing)).out

        # and of one that succeeds stderr is no message
        fine = await rig.finished(await rig.submit("speaker", folder=str(tmp_path), code="0"))
        assert (fine["outcome"], fine["message"]) == ("succeeded", None)


async def test_a_deployment_without_lines_prints_only_text(tmp_path: Path) -> None:
    """Switched off as the paper wants it, "per deployment", they neither show nor mask anything."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("mute", {"run.sh": SPEAKER, "botyard.toml": TOML})
        (tmp_path / "go").touch()
        task = await rig.finished(await rig.submit("mute", folder=str(tmp_path), code="0"))
        assert not task["annotations"]
        assert b"::add-mask::session-4711-x\n" in await rig.output(task["id"])
        page = await rig.get(f"/api/v1/tasks/{task['id']}/output")
        assert all(line["said"] is None for line in page["lines"])
