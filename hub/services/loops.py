"""The hub's loops: dispatch, desired builds, tasks that become due, outputs that become whole.

Each is woken by a bell and looks by itself every few seconds: a wake is only a hint (core.md §1). None ends but by
cancellation; an expected error is logged and tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from agent.ports import Clock
from hub.domain.condition import DESKTOP
from hub.domain.credits import Credit, CreditBook, Wanted
from hub.domain.output import StoredOutput
from hub.services import dispatch, executions, preparations, runners, tasks
from hub.services.dispatch import Opening
from hub.services.effects import CloseSession, ReturnCredit
from hub.services.live import LiveSessions
from hub.services.signals import Signals
from hub.storage import tasks as task_rows
from hub.storage.outputs import Finished, Outputs
from hub.storage.room import Room
from hub.storage.store import CommitInDoubt, Store, StoreUnavailable
from hub.storage.transaction import Effect
from hub.storage.waiting_kinds import WaitingKind

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Grants of one workspace that may be under way together."""
_TOGETHER = 8
"""Of them in one transaction: nobody else's write waits longer for it than the store's budget, 20 ms."""
_SEALING = 4
_PAUSE_S = 1.0
_DUE_SLEEP_S = 30.0
"""The wall clock may be set: a moment is looked at again at least this often."""


def on_failed_grant(credit: Credit) -> list[Effect]:
    """What a write that took a credit names as `on_failure`: it did not happen, so the credit is free again (D4)."""
    return [ReturnCredit(credit=credit)]


def on_doubtful_grant(credit: Credit) -> list[Effect]:
    """What it names as `on_doubt`: nobody knows whether the permit exists; a new session's resume will tell (D4)."""
    return [CloseSession(runner_id=credit.runner_id, epoch=credit.epoch, reason="overload", message="commit in doubt")]


async def for_ever(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Repeat `step`; what the store refuses for now is tried again after a pause."""
    while True:
        try:
            await step()
        except (StoreUnavailable, CommitInDoubt) as error:
            log.warning("%s: %s; tried again", name, error)
            await asyncio.sleep(_PAUSE_S)


class Dispatcher:
    """Brings credits and waiting tasks together where the fast path could not."""

    def __init__(
        self, store: Store, book: CreditBook, signals: Signals, sweep_s: float, room: Room | None = None
    ) -> None:
        self._store = store
        self._room = room or Room()
        self._book = book
        self._signals = signals
        self._sweep_s = sweep_s

    async def run(self) -> None:
        """Serve workspaces as their bells ring."""
        await for_ever("dispatch", self._step)

    async def _step(self) -> None:
        rung = await self._signals.dispatch.collect(self._sweep_s)
        for workspace_id in rung or await self._store.read(dispatch.workspaces_with_queued):
            await self.serve(workspace_id)

    async def serve(self, workspace_id: str) -> None:
        """Grant until no free credit counts for anything that waits; nothing while the disk is full (R14)."""
        if self._room.is_full:
            return
        width = 1
        while True:
            openings = await self._store.read(dispatch.openings, workspace_id)
            if openings.again_s is not None:
                self._signals.dispatch.ring_after(workspace_id, openings.again_s)
            credits_taken = self._take(workspace_id, openings.found, width)
            if not credits_taken:
                break
            kinds = [opening.kind for opening in openings.found]
            some = [credits_taken[first : first + _TOGETHER] for first in range(0, len(credits_taken), _TOGETHER)]
            granted = await asyncio.gather(*(self._grant(one, kinds) for one in some))
            if not any(granted):
                return
            width = min(2 * width, _AT_ONCE)
        if any(opening.kind.build_id for opening in openings.found):
            await self._store.write(dispatch.refuse_hopeless, workspace_id)

    def _take(self, workspace_id: str, openings: Iterable[Opening], width: int) -> list[Credit]:
        taken: list[Credit] = []
        for opening in openings:
            kind, room = opening.kind, width if opening.room is None else opening.room
            avoid = kind.avoid_runner_id if kind.keeps_away else ""
            most = min(room, width - len(taken))
            if kind.build_id is not None and most > 0:
                wanted = Wanted(workspace_id, kind.needs, kind.build_id, avoid=avoid, bot_id=kind.bot_id)
                taken += self._book.take_up_to(wanted, most)
        # A slot with a desktop goes last, so that none is given to whoever can do without while another slot is there.
        return sorted(taken, key=lambda credit: DESKTOP in credit.labels)

    async def _grant(self, credits_taken: Sequence[Credit], kinds: Sequence[WaitingKind]) -> int:
        return await self._store.write(
            dispatch.grant_each,
            credits_taken,
            kinds,
            urgent=True,
            on_failure=[effect for credit in credits_taken for effect in on_failed_grant(credit)],
            on_doubt=[effect for credit in credits_taken for effect in on_doubtful_grant(credit)],
        )


class DueClock:
    """Queues tasks when their moment has come; sleeps until the next one."""

    def __init__(self, store: Store, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock

    async def run(self) -> None:
        """Queue what is due, for ever."""
        await for_ever("due", self._step)

    async def _step(self) -> None:
        due = await self._store.read(task_rows.next_due)
        if due is not None and due <= self._clock.now():
            await self._store.write(tasks.queue_due)
            return
        wait_s = _DUE_SLEEP_S if due is None else (due - self._clock.now()).total_seconds()
        await self._signals.due.collect(min(max(wait_s, 0.0), _DUE_SLEEP_S))


class DesiredBuilds:
    """Tells connected runners which builds they should have."""

    def __init__(self, store: Store, book: CreditBook, sessions: LiveSessions, signals: Signals) -> None:
        self._store = store
        self._book = book
        self._sessions = sessions
        self._signals = signals

    async def run(self) -> None:
        """Send as the bell rings; a session's start rings it too, so nothing is lost with a wake."""
        await for_ever("desired", self._step)

    async def _step(self) -> None:
        for rung in await self._signals.desired.collect():
            workspace_id, _, runner_id = rung.partition("/")
            for one in [runner_id] if runner_id else self._sessions.runners_of(workspace_id):
                await self._send(workspace_id, one)

    async def _send(self, workspace_id: str, runner_id: str) -> None:
        session = self._sessions.find(runner_id)
        if session is None or not self._book.is_resumed(runner_id, session.epoch):
            return  # its own resume asks again
        session.send(await self._store.read(preparations.desired, workspace_id, runner_id))


class OutputEnds:
    """Settles executions whose output became whole after their last fact."""

    def __init__(self, store: Store, outputs: Outputs, signals: Signals) -> None:
        self._store = store
        self._outputs = outputs
        self._signals = signals
        self._sealing = asyncio.Semaphore(_SEALING)

    async def run(self) -> None:
        """Finish outputs as they become whole, a few at a time."""
        self._outputs.on_progress(lambda execution_id, have, _: self._signals.output_grew(execution_id, have))
        async with asyncio.TaskGroup() as group:
            while True:
                for execution_id in await self._signals.outputs.collect():
                    group.create_task(self._finish(execution_id), name=f"output of {execution_id}")

    async def _finish(self, execution_id: str) -> None:
        async with self._sealing:
            expected = self._signals.expected_outputs.get(execution_id)
            if expected is None or self._outputs.position(expected[0], execution_id).have < expected[1]:
                return
            del self._signals.expected_outputs[execution_id]
            try:
                finished = await self._outputs.finish(expected[0], execution_id)
                stored = stored_output(finished)
                await self._store.write(executions.output_arrived, expected[0], execution_id, stored, urgent=True)
            except (StoreUnavailable, CommitInDoubt) as error:
                log.warning("output of %s: %s; tried again", execution_id, error)
                await asyncio.sleep(_PAUSE_S)
                self._signals.expect_output(*expected[:1], execution_id, expected[1])


class StaleAlerts:
    """Asks a person to look at runners that answer orders too late (D7)."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals

    async def run(self) -> None:
        """Write alerts as the bell rings."""
        await for_ever("alerts", self._step)

    async def _step(self) -> None:
        for rung in await self._signals.stale.collect():
            workspace_id, _, runner_id = rung.partition("/")
            message = "Three orders in a row came too late there: look at its clock, load and network."
            await self._store.write(runners.alert, workspace_id, runner_id, runners.STALE, message)


def stored_output(finished: Finished) -> StoredOutput:
    """What the output store says of a whole output, as services take it."""
    return StoredOutput(bytes=finished.bytes, lines=finished.lines, sha256=finished.sha256, gaps=finished.gaps)
