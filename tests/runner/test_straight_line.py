"""The daemon as a hub sees it: order, verdict, output, report, artifacts, exit, final, forget."""

import hashlib

import pytest

from agent.wire.facts import ArtifactFact, ExitFact, FinalFact, ReportFact
from agent.wire.words import ExitKind, ReportStatus
from tests.runner.conftest import Ready, credit
from tests.support.bots import REPORT
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RSS_MAX_BYTES = 60 * 1024 * 1024
"""libraries.md: an idle runner before its first gateway use."""


async def test_an_idle_daemon_is_light(hub: ScriptedHub, runner: RunnerProcess) -> None:
    """`libraries.md`: an idle runner's daemon stays below 60 MB before its first gateway use."""
    # given one that is linked and has been asked for nothing
    runner.start()
    await eventually(lambda: hub.heartbeats and 0 in hub.credits, within=20)

    # then
    assert runner.rss_bytes() < RSS_MAX_BYTES


async def test_an_order_is_started_followed_concluded_and_forgotten(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """`core.md` D1, §3: verdict, output, exit, final come in order, whole, and nothing is left after `forget`."""
    # given
    build = await ready("print('hello')\nprint('oops', file=sys.stderr)\nsys.exit(7)")
    given = await credit(hub)

    # when it is ordered
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=20)

    # then the facts are those of its life
    assert heard.kinds() == ["started", "exit", "final"]
    exit_: ExitFact = heard.body("exit")
    assert (exit_.how, exit_.code) == (ExitKind.NORMAL, 7)
    final: FinalFact = heard.body("final")
    await eventually(lambda: len(heard.output) == final.output_bytes)
    assert sorted(bytes(heard.output).split()) == [b"hello", b"oops"]
    assert final.output_sha256 == heard.sha256()
    assert not final.gaps

    # and the slot is free again, for the next generation
    await credit(hub, after=given.generation)

    # when the hub has all of it
    await hub.forget(order)

    # then nothing of it is left but the tombstone
    folder = runner.home / "executions" / order.execution_id
    await eventually(lambda: not folder.exists())


async def test_a_report_is_a_fact_masked_and_before_the_exit(hub: ScriptedHub, ready: Ready) -> None:
    """`core.md` §3, §6: a report is durable when the call returns; its text and the output show no token."""
    # given
    build = await ready(REPORT)

    # when
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=30)

    # then
    assert heard.kinds() == ["started", "report", "exit", "final"]
    report: ReportFact = heard.body("report")
    assert (report.status, report.late, report.message) == (ReportStatus.PARTIAL, False, "did ***")
    await eventually(lambda: len(heard.output) == heard.body("final").output_bytes)
    assert bytes(heard.output).splitlines()[0] == b"reporting ***"


async def test_result_file_and_artifacts_are_collected(hub: ScriptedHub, ready: Ready) -> None:
    """`bot-packages.md` §6, §7: the result file is the bot's report; its artifacts reach the hub by digest."""
    # given
    build = await ready(
        "open(os.environ['BOTYARD_RESULT'], 'w').write(json.dumps({'status': 'failed', 'message': 'no paper'}))\n"
        "os.makedirs(os.environ['BOTYARD_ARTIFACTS'] + '/a', exist_ok=True)\n"
        "open(os.environ['BOTYARD_ARTIFACTS'] + '/a/b.txt', 'w').write('content')\n"
        "os.symlink('/etc/passwd', os.environ['BOTYARD_ARTIFACTS'] + '/link')\n"
    )

    # when
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=30)

    # then
    assert heard.kinds() == ["started", "report", "exit", "artifact", "final"]
    report: ReportFact = heard.body("report")
    assert (report.status, report.message, report.late) == (ReportStatus.FAILED, "no paper", False)
    artifact: ArtifactFact = heard.body("artifact")
    assert (artifact.name, artifact.content_type) == ("a/b.txt", "text/plain")
    assert hub.artifacts == {hashlib.sha256(b"content").hexdigest(): b"content"}
