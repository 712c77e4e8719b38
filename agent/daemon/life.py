"""The daemon's loops, in one TaskGroup, and the ways in which it ends (`design.md` §5, `packaging.md` §2)."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress

from agent.daemon import adoption
from agent.daemon.bots import Bots
from agent.daemon.control import Answer, ControlSocket
from agent.daemon.desk import Desk
from agent.daemon.house import House
from agent.daemon.uplink import Uplink
from agent.errors import EXIT_ASKED, AgentError
from agent.execution import ENDED, Phase
from agent.execution_events import StopAsked
from agent.gateway import Gateway, GatewaySettings
from agent.gateway_socket import bind_gateway
from agent.spool import Tombstone
from agent.wire.messages import StopOrder
from agent.wire.words import StopCause

log = logging.getLogger(__name__)
STOPPING = "stopping"
DRAINING_HERE = "draining here"
_LAST_WORDS_S = 2.0
_LAST_FACTS_S = 5.0
_LADDER_S = 60.0
_GONE_WITHIN_S = 9.0


class AskedToStopError(Exception):
    """Ends the daemon's TaskGroup, in an orderly way."""


class Life:
    """One run of the daemon, from adoption to its end."""

    def __init__(self, house: House, uplink: Uplink) -> None:
        self._house = house
        self._uplink = uplink
        self._ended = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._is_now = False

    async def run(self, tombstones: list[Tombstone]) -> None:
        """Live; ends by AskedToStopError, or by whatever a loop could not meet, in an exception group."""
        house = self._house
        try:
            async with asyncio.TaskGroup() as group:
                self._uplink.desk = desk = Desk(house, group)
                self._listen_to_signals()
                group.create_task(self._watch_spool(), name="spool failure")
                await adoption.adopt(house, desk, tombstones)
                taken = await adoption.take_gateway_socket(house)
                house.gateway_socket = taken or bind_gateway()
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
        assert house.gateway_socket is not None
        settings = GatewaySettings(upload_folder=house.folders.uploads)
        gateway = Gateway(Bots(house, self._uplink), house.clock, settings)
        handlers = {
            "status": self._status,
            "drain": self._drain,
            "resume": self._resume,
            "stop": self._stop_politely,
            "stop-now": self._stop_now,
        }
        control = ControlSocket(house.folders.control, handlers)
        group.create_task(house.benches.keep_zygote(), name="zygote")
        group.create_task(house.benches.run(), name="benches")
        group.create_task(house.builds.run(), name="builds")
        # Its own copy: the gateway closes it, while ours is what shims are given.
        group.create_task(gateway.serve(house.gateway_socket.dup()), name="gateway")
        group.create_task(control.serve(), name="control")
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
        # A thread that installs packages cannot be stopped, and would be waited for.
        asyncio.get_running_loop().call_later(_GONE_WITHIN_S, os._exit, EXIT_ASKED)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._uplink.flush()
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

    def _listen_to_signals(self) -> None:
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_signal)
        loop.add_signal_handler(signal.SIGINT, self._on_signal)
        loop.add_signal_handler(signal.SIGUSR1, lambda: self.ask_to_stop(now=True))

    def _on_signal(self) -> None:
        if self._stop_asked.is_set():
            # The second one: bots live under their shims, and whatever is durable is durable already.
            os._exit(EXIT_ASKED)
        self.ask_to_stop()

    # --- requests from beside ----------------------------------------------------------------------------------------

    async def _status(self) -> Answer:
        house, way = self._house, self._uplink.forward()
        return {
            "runner": house.membership.name,
            "workspace": house.membership.workspace,
            "hub": house.membership.hub_url,
            "linked": way is not None,
            "problem": self._uplink.last_problem,
            "slots": house.slots.count,
            "free": len(house.slots.free()),
            "unfit": list(house.readiness().unfit),
            "prepared": len(house.builds.prepared()),
            "executions": [
                {"id": keeper.execution_id, "phase": keeper.value.phase} for keeper in house.keepers.values()
            ],
        }

    async def _drain(self) -> Answer:
        self._house.close_for(DRAINING_HERE)
        return await self._status()

    async def _resume(self) -> Answer:
        self._house.close_for(DRAINING_HERE, on=False)
        return await self._status()

    async def _stop_politely(self) -> Answer:
        self.ask_to_stop()
        return {"stopping": True}

    async def _stop_now(self) -> Answer:
        self.ask_to_stop(now=True)
        return {"stopping": True}
