"""What bots without an SDK say, as a hub sees it: whole, masked, once, however they end (`bot-packages.md` §7)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent.wire.facts import SaidFact
from agent.wire.limits import SUMMARY_MAX_BYTES
from agent.wire.messages import Start
from agent.wire.words import ExitKind, StopCause
from tests.runner.conftest import Ready
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIN = "pin-of-nobody-else"
SAY = """
def leave(name, text):
    with open(os.environ[name], "a") as file:
        file.write(text)
def post(path, body):
    call = urllib.request.Request(os.environ["BOTYARD_API_URL"] + path, json.dumps(body).encode(), method="POST")
    call.add_header("Authorization", "Bearer " + os.environ["BOTYARD_API_TOKEN"])
    assert urllib.request.urlopen(call, timeout=30).status == 202
def wait():
    while not os.path.exists(os.environ["BOTYARD_PARAM_GO"]):
        time.sleep(0.02)
pin = json.load(open(os.environ["BOTYARD_PARAMETERS"])).get("pin", "")
"""
TELL = (
    SAY
    + """
leave("BOTYARD_OUTPUT", f"file={pin}\\nboth=file\\n")
leave("GITHUB_STEP_SUMMARY", f"# {pin}")
post("/outputs", {"both": "call", "call": pin})
post("/log", {"log": "l", "columns": {"pin": pin}})
post("/progress", {"text": pin})
print("::warning title=W::" + pin)
print("told")
"""
)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def lives(runner: RunnerProcess) -> AsyncIterator[None]:
    """Each test finds a daemon that runs, whatever the one before did to it."""
    if runner.process is None or runner.process.poll() is not None:
        runner.start()
    yield


async def begun(hub: ScriptedHub, ready: Ready, body: str, go: Path | str = "") -> tuple[Start, Heard]:
    """A bot that was started with a secret, and with the path of a file that it may wait for."""
    parameters = {"pin": PIN, "go": str(go)}
    order = await hub.start(await ready(body), parameters=parameters, secret_parameters=("pin",))
    return order, hub.heard[order.execution_id]


async def final(heard: Heard) -> SaidFact:
    """What it said, once it has ended."""
    await eventually(lambda: "final" in heard.kinds(), within=40, saying=f"never final: {heard.kinds()}")
    assert heard.kinds().count("said") == 1
    said: SaidFact = heard.body("said")
    return said


def check_told(heard: Heard, said: SaidFact, *, lines: bool = True) -> None:
    """Everything of `TELL` is there, without the secret."""
    assert {"file": "***", "both": "call", "call": "***"} == said.outputs
    assert "# ***" == said.summary
    assert [("W", "***")] * lines == [(one.title, one.text) for one in said.annotations]
    assert {"pin": "***"} == heard.body("row").columns
    assert not any(PIN in fact.model_dump_json() for fact in heard.facts.values())
    assert not any(PIN in told.text for told in heard.progress)


async def test_an_ordinary_end(hub: ScriptedHub, ready: Ready) -> None:
    """Row as it comes, what was said once before the exit; outputs of calls stand over those of the file."""
    _, heard = await begun(hub, ready, TELL)
    said = await final(heard)
    assert ["started", "row", "said", "exit", "final"] == heard.kinds()
    check_told(heard, said)
    assert (0, 1, 0) == (said.counts.error, said.counts.warning, said.counts.notice)


async def test_a_kill(hub: ScriptedHub, ready: Ready) -> None:
    """The files are read in every case."""
    order, heard = await begun(hub, ready, TELL + "time.sleep(600)")
    await eventually(lambda: b"told" in heard.output, within=20)
    await hub.stop(order, StopCause.KILL)
    check_told(heard, await final(heard))


async def test_a_lost_supervisor(hub: ScriptedHub, ready: Ready) -> None:
    """`core.md` §2: pipe and exit status are gone with the shim, and so are the lines; files and calls are not."""
    _, heard = await begun(hub, ready, TELL + "os.kill(os.getppid(), 9)\ntime.sleep(600)")
    said = await final(heard)
    assert heard.body("exit").how is ExitKind.SUPERVISOR_LOST
    check_told(heard, said, lines=False)


async def test_an_end_while_no_daemon_lives(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready, tmp_path: Path
) -> None:
    """R21, R24: the next daemon reads what was left; calls wait in the backlog, and what was posted before is there."""
    # given
    go = tmp_path / "go"
    _, heard = await begun(hub, ready, TELL + "wait()\nleave('BOTYARD_OUTPUT', 'late=1\\n')", go)
    await eventually(lambda: b"told" in heard.output, within=20)

    # when
    runner.kill()
    go.touch()
    runner.start()

    # then
    said = await final(heard)
    assert "1" == said.outputs["late"]
    check_told(heard, said.model_copy(update={"outputs": {k: v for k, v in said.outputs.items() if k != "late"}}))


BROKEN = (
    SAY
    + """
leave("BOTYARD_OUTPUT", "good=1\\nbad\\nopen<<END\\nx\\n")
os.unlink(os.environ["BOTYARD_SUMMARY"])
os.symlink("/etc/hostname", os.environ["BOTYARD_SUMMARY"])
"""
)


async def test_broken_files_cost_a_task_nothing(hub: ScriptedHub, ready: Ready) -> None:
    """G5, S38: one warning for each file, which names it and the line; no link is followed."""
    _, heard = await begun(hub, ready, BROKEN)
    said = await final(heard)
    assert 0 == heard.body("exit").code
    assert ({"good": "1"}, "") == (said.outputs, said.summary)
    outputs, summary = said.annotations
    assert "outputs, line 2: neither name=value nor name<<END (and 1 more)" == outputs.text
    assert ("BOTYARD_SUMMARY", "warning") == (summary.title, summary.level)
    assert summary.text.startswith("summary.md was not read: ")


LARGE = (
    SAY
    + """
filler = "x" * (1024 * 1024 - len(pin) // 2)
leave("BOTYARD_SUMMARY", pin * 50000 + filler)
leave("BOTYARD_OUTPUT", "".join(f"n{number}={'y' * 1000}\\n" for number in range(500)))
"""
)


async def test_large_files_are_cut_and_say_so(hub: ScriptedHub, ready: Ready) -> None:
    """256 KiB each; the secret that lies across the end of what is read leaves no half of itself."""
    _, heard = await begun(hub, ready, LARGE)
    said = await final(heard)
    assert said.summary_cut
    assert len(said.summary.encode()) <= SUMMARY_MAX_BYTES
    assert PIN[:8] not in said.summary
    assert 240 < len(said.outputs) < 262
    (warning,) = said.annotations
    assert "left out" in warning.text


PROGRESS = (
    SAY
    + """
for number in range(1, 101):
    post("/progress", {"percent": number, "text": f"{number} of 100"})
    time.sleep(0.02)
print("told")
wait()
"""
)


async def test_progress_is_told_once_a_second_and_again_to_a_new_session(
    hub: ScriptedHub, ready: Ready, tmp_path: Path
) -> None:
    """Coalesced to one a second; dropped while the link is down, but for the last."""
    # given a bot that says how far it is fifty times a second
    go = tmp_path / "go"
    _, heard = await begun(hub, ready, PROGRESS, go)
    await eventually(lambda: heard.progress and heard.progress[-1].percent == 100, within=30)
    told = [one.percent or 0 for one in heard.progress]
    assert sorted(set(told)) == told
    took_s = (heard.progress[-1].at - heard.progress[0].at).total_seconds()
    assert len(told) <= took_s + 3
    assert ("100 of 100", 1) == (heard.progress[-1].text, heard.progress[-1].fence)

    # when the link is lost
    await hub.drop()

    # then the next is told the last word, once
    await eventually(lambda: len(heard.progress) > len(told), within=20)
    assert heard.progress[len(told)] == heard.progress[len(told) - 1]
    go.touch()
    await eventually(lambda: "final" in heard.kinds(), within=20)
    assert len(heard.progress) == len(told) + 1
    assert ["started", "exit", "final"] == heard.kinds()


ROWS = (
    SAY
    + """
for number in range(150):
    post("/log", {"log": "counted", "columns": {"n": number}})
"""
)


async def test_rows_come_in_order_through_a_lost_link(hub: ScriptedHub, ready: Ready) -> None:
    """P3: numbered without holes, each once."""
    _, heard = await begun(hub, ready, ROWS)
    await eventually(lambda: heard.kinds().count("row") > 20, within=20)
    await hub.drop()
    await eventually(lambda: "final" in heard.kinds(), within=40)
    rows = [heard.facts[seq].body for seq in sorted(heard.facts) if heard.facts[seq].body.kind == "row"]
    assert list(range(150)) == [row.columns["n"] for row in rows]  # type: ignore[union-attr]
    assert list(range(1, len(heard.facts) + 1)) == sorted(heard.facts)
