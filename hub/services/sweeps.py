"""The safety net: every few seconds all unsettled executions are looked at, and D9 says what the hub may do (core.md).

What it remembers between two rounds (how long an order or a stop is open, a link gone, an exit without its output)
lives in this process, is counted by a clock that nobody sets (R38), and begins again with it: it can only make the hub
slower to conclude, never faster.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from agent.ports import Clock
from agent.wire.words import ExecutionState, OnDisconnect
from hub.domain.execution import Action, Situation, conclude
from hub.services import executions, holds, runners
from hub.services.live import LiveSessions
from hub.services.loops import for_ever
from hub.storage import holds as hold_rows
from hub.storage.executions import LiveRow
from hub.storage.store import CommitInDoubt, Store, StoreUnavailable

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Memory:
    """What is remembered of one execution."""

    link: int | datetime | None = -1
    """The session of its runner in the last round; where there was none, since when it is unreachable.

    That tells one outage from the next, whose session was there between two rounds only (R48).
    """
    link_since_s: float = 0.0
    """Since when that is so, as far as this process saw."""
    gone_before_s: float = 0.0
    """How long the link was gone when that was first seen, by the wall clock of then."""
    queried_epoch: int | None = None
    """The session in which its runner was asked for its verdict."""
    foreign_since_s: float | None = None
    """Since when this hub sees that its link is gone which another hub had."""
    stop_epoch: int | None = None
    stop_since_s: float = 0.0
    stop_repeated: bool = False
    ended_since_s: float | None = None
    is_alerted: bool = False
    """Whether a person was asked to look at its runner, in this outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds between two rounds, and from an exit to a settlement without all of the output."""

    sweep_s: float = 5.0
    output_grace_s: float = 600.0


class Sweeper:
    """Looks at every unsettled execution, again and again."""

    def __init__(self, store: Store, sessions: LiveSessions, clock: Clock, hub_id: str, times: Times) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._hub_id = hub_id
        self._times = times
        self._memory: dict[str, _Memory] = {}

    async def run(self) -> None:
        """Sweep for ever."""
        await for_ever("sweep", self._step)

    async def _step(self) -> None:
        await self.sweep()
        await asyncio.sleep(self._times.sweep_s)

    async def sweep(self) -> None:
        """One round."""
        await self._close_unclosed()
        if await self._store.read(hold_rows.is_any_stray):
            await self._store.write(holds.sweep)
        rows = await self._store.read(executions.unsettled)
        self._memory = {row.execution.id: self._memory.get(row.execution.id, _Memory()) for row in rows}
        for row in rows:
            if self._is_mine(row):
                for action in conclude(self._situation(row)):
                    await self._do(row, action)

    def _is_mine(self, row: LiveRow) -> bool:
        """Of a session that lives at another hub, that one decides (core.md §1: a sweep over *my* epochs)."""
        return row.session_epoch is None or row.is_home_gone or row.hub_id in {None, self._hub_id}

    async def _close_unclosed(self) -> None:
        """A session whose end could not be written: its runner would seem connected for ever."""
        while (ended := self._sessions.take_unclosed()) is not None:
            try:
                silent_s = max(0.0, self._elapsed_s() - ended.heard_s)
                await self._store.write(runners.close_session, ended.key, ended.why, silent_s, urgent=True)
            except (StoreUnavailable, CommitInDoubt):
                # Guarded by its epoch: written twice it changes nothing.
                self._sessions.note_unclosed(ended)
                raise

    def _situation(self, row: LiveRow) -> Situation:
        execution = row.execution
        is_up = row.session_epoch is not None and not row.is_home_gone
        before_s, watched_s = self._link_s(row, row.session_epoch if is_up else None)
        return Situation(
            state=ExecutionState(execution.state),
            link_up=is_up,
            granted_s=watched_s,
            queried=self._memory[execution.id].queried_epoch == row.session_epoch,
            gone_s=0.0 if is_up else before_s + watched_s,
            watched_s=watched_s,
            silent_s=self._silent_s(row, is_up=is_up),
            on_disconnect=OnDisconnect(execution.on_disconnect),
            lost_after_s=execution.lost_after_s,
            revoked=row.is_revoked,
            stop_unanswered_s=self._stop_open_s(row) if is_up else None,
            stop_repeated=self._memory[execution.id].stop_repeated,
        )

    def _silent_s(self, row: LiveRow, *, is_up: bool) -> float:
        """Since the last heartbeat that this hub received; of a link that was another hub's from zero (D10)."""
        if row.hub_id in {None, self._hub_id}:
            return self._sessions.silent_s(row.execution.runner_id)
        memory = self._memory[row.execution.id]
        if is_up or memory.foreign_since_s is None:
            memory.foreign_since_s = self._elapsed_s()
        return self._elapsed_s() - memory.foreign_since_s

    def _link_s(self, row: LiveRow, epoch: int | None) -> tuple[float, float]:
        """(seconds that its link was gone before this hub saw it, seconds that the link has been as it is since).

        The wall clock is read once: set a day ahead later, it takes no running bot for lost (R38).
        """
        memory, now_s = self._memory[row.execution.id], self._elapsed_s()
        link = row.unreachable_since if epoch is None else epoch
        if memory.link != link:
            gone_since = row.unreachable_since or row.execution.granted_at
            memory.link, memory.link_since_s = link, now_s
            memory.is_alerted = False
            memory.gone_before_s = max(0.0, (self._clock.now() - gone_since).total_seconds())
        return memory.gone_before_s, now_s - memory.link_since_s

    def _elapsed_s(self) -> float:
        """By a clock that nobody sets and that counts suspend (G6)."""
        return self._clock.boot_ns() / 1e9

    def _stop_open_s(self, row: LiveRow) -> float | None:
        """Since when a stop is open in this session; a new session begins anew, its resume said it again."""
        memory = self._memory[row.execution.id]
        if not row.stop_asked or row.execution.stop_seq is not None:
            return None
        if memory.stop_epoch != row.session_epoch:
            memory.stop_epoch = row.session_epoch
            memory.stop_since_s = self._clock.monotonic()
            memory.stop_repeated = False
        return self._clock.monotonic() - memory.stop_since_s

    async def _do(self, row: LiveRow, action: Action) -> None:
        execution = row.execution
        memory = self._memory[execution.id]
        key = (execution.workspace_id, execution.id)
        match action:
            case Action.QUERY:
                memory.queried_epoch = row.session_epoch
                await self._store.write(executions.query, *key, urgent=True)
            case Action.SEND_STOP:
                await self._store.write(executions.repeat_stop, *key, urgent=True)
                memory.stop_repeated = True
                memory.stop_since_s = self._clock.monotonic()
            case Action.CLOSE_SESSION:
                self._close(row)
            case Action.SETTLE_LOST:
                why = "runner revoked" if row.is_revoked else "its runner is gone past the limit"
                await self._store.write(executions.lose, *key, why, row.session_epoch, urgent=True)
            case Action.ALERT_UNREACHABLE:
                await self._alert(row, memory)
            case Action.SETTLE:
                await self._settle_when_overdue(row, memory)
            case Action.GRANT_AGAIN:
                pass  # a void was queued again in the transaction that wrote it
            case _:
                assert_never(action)

    def _close(self, row: LiveRow) -> None:
        session = self._sessions.find(row.execution.runner_id, row.session_epoch)
        if session is not None:
            log.warning("runner %s does not answer for %s", row.execution.runner_id, row.execution.id)
            session.close("unanswered", "an order or a stop was not answered")

    async def _alert(self, row: LiveRow, memory: _Memory) -> None:
        runner_id = row.execution.runner_id
        if memory.is_alerted:
            return
        message = "It is not reachable, and bots may be running there."
        workspace_id = row.execution.workspace_id
        await self._store.write(runners.alert, workspace_id, runner_id, runners.UNREACHABLE, message)
        memory.is_alerted = True

    async def _settle_when_overdue(self, row: LiveRow, memory: _Memory) -> None:
        now_s = self._clock.monotonic()
        if memory.ended_since_s is None:
            memory.ended_since_s = now_s
        if now_s - memory.ended_since_s >= self._times.output_grace_s:
            key = (row.execution.workspace_id, row.execution.id)
            await self._store.write(executions.settle_overdue, *key, urgent=True)
