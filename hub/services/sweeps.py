"""The safety net: every few seconds all unsettled executions are looked at, and D9 says what the hub may do (core.md).

What it remembers between two rounds (how long a stop is open, how long an exit waits for its output) lives in this
process and begins again with it: it can only make the hub slower to conclude, never faster.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import assert_never

from agent.ports import Clock
from agent.wire.words import ExecutionState, OnDisconnect
from hub.domain.execution import Action, Situation, conclude
from hub.services import executions, runners
from hub.services.live import LiveSessions
from hub.services.loops import for_ever
from hub.storage.executions import LiveRow
from hub.storage.store import Store

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Memory:
    """What is remembered of one execution."""

    stop_epoch: int | None = None
    stop_since_s: float = 0.0
    stop_repeated: bool = False
    ended_since_s: float | None = None
    told_unreachable: set[str] = field(default_factory=set)


class Sweeper:
    """Looks at every unsettled execution, again and again."""

    def __init__(
        self, store: Store, sessions: LiveSessions, clock: Clock, sweep_s: float, output_grace_s: float
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._sweep_s = sweep_s
        self._output_grace_s = output_grace_s
        self._memory: dict[str, _Memory] = {}

    async def run(self) -> None:
        """Sweep for ever."""
        await for_ever("sweep", self._step)

    async def _step(self) -> None:
        await self.sweep()
        await asyncio.sleep(self._sweep_s)

    async def sweep(self) -> None:
        """One round."""
        rows = await self._store.read(executions.unsettled)
        self._memory = {row.execution.id: self._memory.get(row.execution.id, _Memory()) for row in rows}
        for row in rows:
            for action in conclude(self._situation(row)):
                await self._do(row, action)

    def _situation(self, row: LiveRow) -> Situation:
        execution = row.execution
        now = self._clock.now()
        gone_since = row.unreachable_since or execution.granted_at
        is_up = row.session_epoch is not None and not row.is_home_gone
        return Situation(
            state=ExecutionState(execution.state),
            link_up=is_up,
            granted_s=(now - execution.granted_at).total_seconds(),
            queried=execution.queried_at is not None,
            gone_s=0.0 if is_up else (now - gone_since).total_seconds(),
            silent_s=self._sessions.silent_s(execution.runner_id),
            on_disconnect=OnDisconnect(execution.on_disconnect),
            lost_after_s=execution.lost_after_s,
            revoked=row.is_revoked,
            stop_unanswered_s=self._stop_open_s(row) if is_up else None,
            stop_repeated=self._memory[execution.id].stop_repeated,
        )

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
            case Action.MARK_UNREACHABLE:
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
        if runner_id in memory.told_unreachable:
            return
        message = "It is not reachable, and bots may be running there."
        workspace_id = row.execution.workspace_id
        await self._store.write(runners.alert, workspace_id, runner_id, runners.UNREACHABLE, message)
        memory.told_unreachable.add(runner_id)

    async def _settle_when_overdue(self, row: LiveRow, memory: _Memory) -> None:
        now_s = self._clock.monotonic()
        if memory.ended_since_s is None:
            memory.ended_since_s = now_s
        if now_s - memory.ended_since_s >= self._output_grace_s:
            key = (row.execution.workspace_id, row.execution.id)
            await self._store.write(executions.settle_overdue, *key, urgent=True)
