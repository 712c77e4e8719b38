"""When a shim must look again at its bot's end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.ports.files import SystemDisk
from agent.shim.ending import Ending
from agent.shim.order import LadderTimes, ShimOrder, Stamp
from agent.shim.verdict import Verdict
from agent.wire.words import StopCause

_NS = 1_000_000_000
_TIMES = LadderTimes()
_PIPE = {1: object()}


class _Immortal:
    """A tree that no signal ends, as one in uninterruptible sleep."""

    exited = None
    is_empty = False
    kills = 0

    def interrupt(self) -> None:
        """Nothing happens."""

    def terminate(self) -> None:
        """Nothing happens."""

    def kill(self) -> None:
        """Nothing happens, but that it is counted."""
        self.kills += 1

    def survivors(self) -> tuple[tuple[int, str], ...]:
        """The bot itself."""
        return ((17, "bot"),)


def _ending(folder: Path, tree: _Immortal, pipes: dict[int, object]) -> Ending:
    order = ShimOrder(
        execution_id="exe_1",
        fence=1,
        nonce="0" * 32,
        folder=str(folder),
        argv=("bot",),
        env={},
        cwd=str(folder),
        permit=Stamp(boot_ns=0, wall_ns=0),
        ladder=_TIMES,
    )
    house = SimpleNamespace(order=order, disk=SystemDisk(), folder=folder, service=SimpleNamespace(push=lambda _: None))
    taps = SimpleNamespace(open_sources=lambda: pipes)
    verdict = SimpleNamespace(wall_ns=0, boot_ns=0)
    return Ending(cast("Any", house), cast("Verdict", verdict), cast("Any", tree), cast("Any", taps))


@pytest.mark.parametrize("pipes", [{}, _PIPE], ids=["pipes at their end", "pipes held open"])
def test_a_bot_that_outlives_sigkill_does_not_keep_its_shim_busy(tmp_path: Path, pipes: dict[int, object]) -> None:
    """R70: once the ladder is over, survivors are told and open pipes are let go, only the bot's own end is due."""
    open_pipes = dict(pipes)
    tree = _Immortal()
    ending = _ending(tmp_path, tree, open_pipes)
    now_ns = _NS
    ending.stop(StopCause.CANCEL, "ana", Stamp(boot_ns=now_ns, wall_ns=now_ns))
    for _ in range(1_000):
        due_ns = ending.next_due_ns(now_ns)
        if due_ns is None:
            break
        now_ns = max(now_ns, due_ns) + 1_000
        ending.look(Stamp(boot_ns=now_ns, wall_ns=now_ns))
        if ending.is_drain_over(now_ns):
            open_pipes.clear()
    assert tree.kills > 1
    assert not open_pipes
    assert ending.next_due_ns(now_ns + 1) is None
