"""The daemon as a hub sees it: order, verdict, output, exit, final, forget."""

import hashlib
import sys

from agent.wire.facts import ExitFact, FinalFact
from agent.wire.messages import SlotFree
from agent.wire.words import ExitKind, PreparationState
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually


def bot(body: str) -> dict[str, bytes]:
    """A program of one file."""
    return {"bot": f"#!{sys.executable} -u\nimport os, sys, time\n{body}\n".encode()}


async def test_an_order_is_started_followed_concluded_and_forgotten(hub: ScriptedHub, runner: RunnerProcess) -> None:
    """`core.md` D1, §3: verdict, output, exit, final come in order, whole, and nothing is left after `forget`."""
    # given a runner with the build prepared
    build = hub.add_build(bot("print('hello')\nprint('oops', file=sys.stderr)\nsys.exit(7)"), "bot")
    runner.start()
    await eventually(lambda: hub.preparations.get(build.build_id, None), within=20)
    await eventually(lambda: hub.preparations[build.build_id].state is PreparationState.PREPARED, within=20)
    credit: SlotFree = await eventually(lambda: hub.credits.get(0))
    assert credit.generation == 1

    # when it is ordered
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds())

    # then the facts are those of its life
    assert heard.kinds() == ["started", "exit", "final"]
    exit_: ExitFact = heard.body("exit")
    assert (exit_.how, exit_.code) == (ExitKind.NORMAL, 7)
    final: FinalFact = heard.body("final")
    await eventually(lambda: len(heard.output) == final.output_bytes)
    assert sorted(bytes(heard.output).split()) == [b"hello", b"oops"]
    assert final.output_sha256 == hashlib.sha256(heard.output).hexdigest()
    assert not final.gaps

    # and the slot is free again, for the next generation
    again: SlotFree = await eventually(lambda: hub.credits.get(0))
    assert again.generation == 2

    # when the hub has all of it
    await hub.forget(order)

    # then nothing of it is left but the tombstone
    folder = runner.home / "executions" / order.execution_id
    await eventually(lambda: not folder.exists())
