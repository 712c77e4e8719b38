"""The daemon's loops, in one TaskGroup, and the ways in which it ends (`design.md` §5, `packaging.md` §2)."""

import asyncio
import logging
from contextlib import suppress

from agent.daemon import adoption, output_room, status
from agent.daemon.bots import Bots
from agent.daemon.control import Answer
from agent.daemon.desk import Desk
from agent.daemon.doors import Doors
from agent.daemon.house import STOPPING, House
from agent.daemon.uplink import Uplink
from agent.errors import AgentError
from agent.execution import ENDED, Phase
from agent.execution_events import StopAsked
from agent.spool import Tombstone
from agent.wire.messages import StopOrder
from agent.wire.words import StopCause

log = logging.getLogger(__name__)
DRAINING_HERE = "draining here"
_LAST_WORDS_S = 2.0
_LAST_FACTS_S = 5.0
_LADDER_S = 60.0
_GONE_WITHIN_S = 9.0


class AskedToStopError(Exception):
    """Ends the daemon's TaskGroup, in an orderly way."""


class Life:
    """One run of the daemon, from adoption to its end."""

    def __init__(self, house: House, uplink: Uplink, doors: Doors) -> None:
        self._house = house
        self._uplink = uplink
        self._doors = doors
        self._ended = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._is_now = False
        self._was_signalled = False
        self._began = house.clock.now()

    async def run(self, tombstones: list[Tombstone]) -> None:
        """Live; ends by AskedToStopError, or by whatever a loop could not meet, in an exception group."""
        house = self._house
        try:
            async with asyncio.TaskGroup() as group:
                self._uplink.desk = desk = Desk(house, group)
                self._doors.hear_signals(self._on_signal, lambda: self.ask_to_stop(now=True))
                group.create_task(self._watch_spool(), name="spool failure")
                await adoption.adopt(house, desk, tombstones)
                await house.desktops.take_over()
                await self._doors.bind(house)
                await output_room.find_room(house)
                self._begin(group)
                log.info("runner %s of workspace %s is up", house.membership.name, house.membership.workspace)
                await self._stop_asked.wait()
                await self._end()
                raise AskedToStopError
        finally:
            await house.collector.close()
            self._ended.set()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        house = self._house
        handlers = {
            "status": self._status,
            "drain": self._drain,
            "resume": self._resume,
            "stop": self._stop_politely,
            "stop-now": self._stop_now,
        }
        group.create_task(house.benches.keep_zygote(), name="zygote")
        group.create_task(house.benches.run(), name="benches")
        group.create_task(house.desktops.keep(), name="desktops")
        group.create_task(house.builds.run(), name="builds")
        group.create_task(house.watching.run(), name="watched folders")
        group.create_task(house.showing.run(), name="screens")
        group.create_task(output_room.look_after(house), name="room")
        self._doors.open(house, Bots(house, self._uplink), handlers, group)
        group.create_task(house.fitness.run(), name="fitness")
        group.create_task(self._uplink.run(), name="uplink")

    async def _watch_spool(self) -> None:
        """What is believed to be durable may not be: end, and start anew from the disk (G9)."""
        try:
            await self._house.spool.failure
        except Exception as error:
            raise AgentError(f"the spool failed: {error}") from error

    # --- ends --------------------------------------------------------------------------------------------------------

    def ask_to_stop(self, *, now: bool = False) -> None:
        """Stop; a second time, or with `now` after a polite one, sooner."""
        self._is_now = self._is_now or now
        self._stop_asked.set()

    async def _end(self) -> None:
        """No new work; bots first where they must end; then what is still to be said, for a bounded time."""
        self._house.close_for(STOPPING)
        if self._is_now:
            log.info("ending all bots")
            await self._end_bots()
        self._doors.leave_within(_GONE_WITHIN_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._uplink.flush()
        await self._house.desktops.end(at_once=self._is_now)
        log.info("stopping; %d bots live on", sum(k.value.phase is Phase.STARTED for k in self._house.keepers.values()))

    async def _end_bots(self) -> None:
        house, order = self._house, StopOrder(cause=StopCause.UP_ENDED)
        living = [keeper for keeper in house.keepers.values() if keeper.value.phase not in ENDED]
        for keeper in living:
            keeper.post(StopAsked(order=order, at=house.clock.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LADDER_S):
                for keeper in living:
                    await keeper.exited.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FACTS_S if self._uplink.forward() else 0.0):
                while any(keeper.value.phase is not Phase.FINAL for keeper in house.keepers.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    def _on_signal(self) -> None:
        if self._was_signalled:
            # The second one: bots live under their shims.
            self._doors.leave()
        # One that follows a request, as `up` sends them, does not cut off what was requested: the bots' end.
        self._was_signalled = True
        self.ask_to_stop()

    # --- requests from beside ----------------------------------------------------------------------------------------

    async def _status(self) -> Answer:
        return await status.whole(self._house, self._uplink, self._began)

    async def _drain(self) -> Answer:
        self._house.close_for(DRAINING_HERE)
        return await status.brief(self._house, self._uplink)

    async def _resume(self) -> Answer:
        self._house.close_for(DRAINING_HERE, on=False)
        return await status.brief(self._house, self._uplink)

    async def _stop_politely(self) -> Answer:
        self.ask_to_stop()
        return {"stopping": True}

    async def _stop_now(self) -> Answer:
        self.ask_to_stop(now=True)
        return {"stopping": True}
