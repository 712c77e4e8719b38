"""The window manager of one virtual desktop: without one windows have no frames, no focus, and dialogs lie anywhere."""

import asyncio
import logging
import os
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent.desktops.programs import collect, gone_or_killed, start_program
from agent.desktops.records import Records
from agent.desktops.server import Server
from agent.process import open_process, start_of
from agent.process_watch import wait_gone

log = logging.getLogger(__name__)
_PAUSE_S, _PAUSE_MAX_S = 0.5, 60.0


class WindowManager:
    """Started, adopted and started again for as long as its server lives; it ends with that by itself."""

    def __init__(self, server: Server, records: Records) -> None:
        self._server = server
        self._records = records
        self._pid: int | None = None
        self._starting = threading.Lock()
        self._is_over = False

    async def keep(self) -> None:
        """A loop beside the server; does nothing where no program is wanted."""
        program = self._server.record.made.window_manager
        pause_s = _PAUSE_S
        if await self._adopted_gone():
            # It may have ended as its server did, a moment before that is told.
            await asyncio.sleep(pause_s)
        while program:
            began = asyncio.get_running_loop().time()
            try:
                await self._one(program)
            except OSError as error:
                log.error("%s does not start: %s", program, error)  # noqa: TRY400
            if asyncio.get_running_loop().time() - began > _PAUSE_MAX_S:
                pause_s = _PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    async def _adopted_gone(self) -> bool:
        """One that an earlier daemon started goes on; whether there was one, when it has ended."""
        record = self._server.record
        pidfd = open_process(record.manager_pid, record.manager_start) if record.manager_pid else None
        if pidfd is None:
            return False
        try:
            await wait_gone(record.manager_pid, record.manager_start, pidfd)
        finally:
            os.close(pidfd)
        return True

    async def _one(self, program: str) -> None:
        pid = await asyncio.to_thread(self._spawn, program)
        start = start_of(pid) or ""
        record = replace(self._server.record, manager_pid=pid, manager_start=start)
        self._server.record = record
        await asyncio.to_thread(self._records.write, record)
        await wait_gone(pid, start)
        self._collect()
        # Its server may have ended, too, a moment before that is told.
        log.info("the window manager of display %s has ended", record.display)

    def _spawn(self, program: str) -> int:
        record, folder = self._server.record, self._records.folder
        variables = {"DISPLAY": record.display, "XAUTHORITY": str(self._records.authority(record.slot))}
        options = ["--sm-disable"] if Path(program).name == "openbox" else []
        # Whoever waits for this thread may have been cancelled: what it starts is noted here, or not started any more.
        with self._starting:
            if self._is_over:
                raise OSError("its X server has ended")
            self._pid = start_program([program, *options], folder, variables)
            return self._pid

    def _start_no_more(self) -> None:
        with self._starting:
            self._is_over = True

    async def reap(self) -> None:
        """Its server has ended: wait until it has, too, kill it after two seconds, and leave no zombie."""
        await asyncio.to_thread(self._start_no_more)
        # A child that nobody has collected: its pid is nobody else's. An adopted one is known by its start.
        record = self._server.record
        pid, start = (self._pid, start_of(self._pid) or "") if self._pid else (record.manager_pid, record.manager_start)
        pidfd = open_process(pid, start) if pid else None
        if pidfd is not None:
            try:
                await gone_or_killed(partial(wait_gone, pid, start, pidfd), pidfd)
            finally:
                os.close(pidfd)
        self._collect()

    def _collect(self) -> None:
        if self._pid is not None:
            collect(self._pid)
        self._pid = None
