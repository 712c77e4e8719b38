"""Slots are made ready while zygotes end (core.md §2)."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from agent.builds_port import Builds
from agent.daemon.benches import NO_ZYGOTE, Benches
from agent.process import command_of, descendants
from agent.shims import SystemShims
from agent.slots import Slots
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the zygote of Linux")


class Emptying:
    """Makes a slot's folder ready, and meanwhile the zygote is killed, the first time."""

    def __init__(self) -> None:
        self.benches: Benches | None = None
        self.kills = 1

    async def make_slot_ready(self, slot: int) -> None:
        """Take as long as it takes until the end of the zygote is known."""
        del slot
        benches = self.benches
        assert benches is not None
        if self.kills:
            self.kills -= 1
            for pid in descendants(os.getpid()):
                if "agent.shim.zygote_process" in command_of(pid):
                    os.kill(pid, signal.SIGKILL)
            await eventually(lambda: NO_ZYGOTE in benches.troubles, saying="the zygote's end is known")


@asynccontextmanager
async def running(benches: Benches) -> AsyncIterator[None]:
    """Both loops of the daemon."""
    loops = [asyncio.create_task(benches.keep_zygote()), asyncio.create_task(benches.run())]
    try:
        yield
        assert not [loop for loop in loops if loop.done()], "a loop has ended, and with it the daemon"
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def test_a_zygote_that_ends_while_a_slot_is_emptied_costs_no_daemon() -> None:
    """The slot waits for the next zygote; the daemon, and with it every other bot's keeper, goes on."""
    builds, slots = Emptying(), Slots(1)
    benches = builds.benches = Benches(slots, cast("Builds", builds), SystemShims(), lambda: None)
    async with running(benches):
        await eventually(lambda: bool(slots.free()), within=20, saying="the slot is ready with another zygote")
    assert builds.kills == 0
