"""Bots without an SDK say all that there is to say, in shell, Node and Python (`bot-packages.md` §7), on real parts."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import ROOT, Rig
from tests.support.waiting import eventually

SAMPLES = ROOT / "samples" / "reporting"
PARAMETERS = [{"name": "count", "type": "integer"}, {"name": "pin", "type": "text", "secret": True}]
TABLE = "number,grams\n4,1000\n"


@pytest.mark.parametrize("language", ["shell", "node", "python"])
async def test_a_bot_uses_every_file_every_line_and_every_call(tmp_path: Path, language: str) -> None:
    """§7: three layers, the same meaning in each; all of it is seen by `botyard task show --json`."""
    async with Rig(tmp_path) as rig:
        # given one of the samples, as its README deploys it
        await rig.add_runner("desk-1")
        await rig.botyard("deploy", str(SAMPLES / language), "--bot", "parcels", within=120)
        await rig.send("PATCH", "/api/v1/automations/parcels", {"parameters": PARAMETERS})

        # when it has run
        pin = "pin-" + secrets.token_hex(12)
        asked = {"automation": "parcels", "parameters": {"count": 4, "pin": pin}}
        task_id = (await rig.send("POST", "/api/v1/tasks", asked))["id"]
        await rig.finished(task_id)

        # then the result file, which was written last, is the report; the calls before it were one, too
        shown = (await rig.botyard("task", "show", task_id, "--json")).json()
        said = [shown[name] for name in ("outcome", "message", "totals")]
        assert ["succeeded", "4 parcels weighed", {"total": 4, "processed": 4, "failed": 0}] == said
        # outputs of the call and of the file, and the summary
        assert {"heaviest": "1000", "count": "4", "label": "to: Ada\nfrom: Botyard"} == shown["outputs"]
        assert ("## 4 parcels\nHeaviest: **1000 g**\n", False) == (shown["summary"], shown["summary_cut"])
        # the last word of its progress, and what its lines remarked; a stopped command is only text
        assert (100.0, "parcel 4 of 4") == (shown["progress"]["percent"], shown["progress"]["text"])
        levels = [(one["level"], one["title"], one["text"]) for one in shown["annotations"]]
        assert [("notice", "Parcels", "4 parcels wait"), ("warning", "Scale", "due for calibration")] == levels
        assert {"error": 0, "warning": 1, "notice": 1} == shown["annotation_counts"]
        # rows, in their order; and files of the folder and of the call
        await the_rows_are_there(rig, task_id, language)
        await the_files_are_there(rig, task_id)
        # no secret anywhere: that of the parameter, and that of the line
        output = await rig.output(task_id)
        assert b"the pin is ***\n" in output
        assert b"the scale is ***\n" in output
        assert b"::add-mask::***" in output
        assert pin not in json.dumps(shown)


async def the_rows_are_there(rig: Rig, task_id: str, language: str) -> None:
    """As pages of the API, and as the command prints them; a form knows texts only."""
    page = await rig.get(f"/api/v1/tasks/{task_id}/log?limit=3")
    rest = await rig.get(f"/api/v1/tasks/{task_id}/log?limit=3&log=parcels&cursor={page['next']}")
    rows: list[Any] = [row["columns"] for row in (*page["items"], *rest["items"])]
    known = [{"number": number, "grams": number * 250} for number in range(1, 5)]
    if language == "shell":
        known = [{name: str(value) for name, value in row.items()} for row in known]  # type: ignore[misc]
    assert known == rows
    assert rest["next"] is None
    listed = (await rig.botyard("task", "rows", task_id, "--json")).json()
    assert known == [row["columns"] for row in listed["items"]]
    table = (await rig.botyard("task", "rows", task_id, "--log", "parcels")).text.splitlines()
    assert ["number", "grams"] == table[0].split()[-2:]
    assert ["4", "1000"] == table[-1].split()[-2:]


async def the_files_are_there(rig: Rig, task_id: str) -> None:
    """What lay in the folder, and what was handed over while the bot ran."""
    listed = (await rig.get(f"/api/v1/tasks/{task_id}/artifacts"))["items"]
    assert {"weights.csv", "scale.csv"} == {one["name"] for one in listed}
    for one in listed:
        content = await rig.get(f"/api/v1/artifacts/{one['id']}/file")
        assert TABLE.encode() == content


async def test_the_lines_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    """One curl line each: they run as they stand there, in a shell that stops at the first fault."""
    text = (ROOT / "README.md").read_text().partition("## Reporting without an SDK")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    head = "#!/bin/sh\nset -eu\nprintf pdf > report.pdf\nsession_id=ses-0815\n"
    async with Rig(tmp_path) as rig:
        # given
        await rig.add_runner("desk-1")
        await rig.deploy("reader", {"bot.sh": "".join([head, *blocks])})
        parameters = [{"name": "password", "type": "text", "secret": True}]
        await rig.send("PATCH", "/api/v1/automations/reader", {"parameters": parameters})

        # when
        asked = {"automation": "reader", "parameters": {"password": "hunter22"}}
        task_id = (await rig.send("POST", "/api/v1/tasks", asked))["id"]
        shown = await rig.finished(task_id)

        # then: the call came before the file was read, and the file is read last
        output = (await rig.output(task_id)).decode()
        assert ("partial", "2 left", 0) == (shown["outcome"], shown["message"], shown["exit_code"]), output
        shown = await rig.task(task_id)
        assert ({"total": "41"}, "## 40 invoices\n") == (shown["outputs"], shown["summary"])
        assert (40.0, "invoice 17 of 40") == (shown["progress"]["percent"], shown["progress"]["text"])
        (row,) = (await rig.get(f"/api/v1/tasks/{task_id}/log"))["items"]
        assert ("invoices", {"number": "R-17", "amount": "9.90"}) == (row["log"], row["columns"])
        files = (await rig.get(f"/api/v1/tasks/{task_id}/artifacts"))["items"]
        assert {"report.pdf", "artifacts/report.pdf"} == {one["name"] for one in files}  # posted, and in the folder
        assert "***" in output
        assert "ses-0815" not in output
        assert "hunter22" not in output
        assert '{"cancelled": false, "interrupted": false}' in output


async def test_what_was_said_survives_a_kill_and_a_runner_that_was_away(tmp_path: Path) -> None:
    """§7: "The runner buffers on disk while the hub is away and answers 202"; files are read after a kill, too."""
    async with Rig(tmp_path) as rig:
        # given a bot that has said things, and a hub that is gone while it says more
        await rig.add_runner("desk-1")
        await rig.deploy("teller", {"main.py": TELLER})
        go = tmp_path / "go"
        task_id = await rig.submit("teller", go=str(go))
        await rig.printed(task_id, b"ready")
        await rig.hub.kill()
        go.touch()
        said = tmp_path / "go.said"
        await eventually(said.exists, within=20, saying="the bot waited for the hub")

        # when the daemon is killed, too, and both come back; then a person kills the bot
        await rig.runners["desk-1"].kill()
        await rig.start_hub()
        await rig.start_runner("desk-1")
        await rig.botyard("task", "kill", task_id)
        await rig.finished(task_id)

        # then all of it is there
        shown = await rig.task(task_id)
        assert ("failed", "killed") == (shown["outcome"], shown["reason"])
        assert {"posted": "while the hub was away", "filed": "1"} == shown["outputs"]
        assert "# Before the kill" == shown["summary"]
        rows = (await rig.get(f"/api/v1/tasks/{task_id}/log"))["items"]
        assert [{"n": 0}, {"n": 1}, {"n": 2}] == [row["columns"] for row in rows]


TELLER = """
import json, os, pathlib, time, urllib.request

def post(path, **body):
    request = urllib.request.Request(os.environ["BOTYARD_API_URL"] + path, json.dumps(body).encode(), method="POST")
    request.add_header("Authorization", "Bearer " + os.environ["BOTYARD_API_TOKEN"])
    assert urllib.request.urlopen(request).status == 202

print("ready", flush=True)
go = pathlib.Path(os.environ["BOTYARD_PARAM_GO"])
while not go.exists():
    time.sleep(0.05)
for n in range(3):
    post("/log", log="counted", columns={"n": n})
post("/outputs", posted="while the hub was away")
post("/progress", percent=50)
pathlib.Path(os.environ["BOTYARD_OUTPUT"]).write_text("filed=1\\n")
pathlib.Path(os.environ["GITHUB_STEP_SUMMARY"]).write_text("# Before the kill")
pathlib.Path(str(go) + ".said").touch()
time.sleep(600)
"""
