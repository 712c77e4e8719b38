"""What a session's inbox asks of the database: its inventory once, then facts in groups and preparations, in order."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from agent.wire.codec import ProtocolError
from agent.wire.facts import Fact, FinalFact, VoidFact
from agent.wire.messages import Buried, FactAck, Forget, Held, Preparation, ResumeEnd, Stone
from agent.wire.watching import FilesFound, FolderTold
from agent.wire.words import PreparationState
from hub.context import Hub
from hub.domain.output import StoredOutput
from hub.runners.folders import FolderDesk
from hub.runners.session import ConditionTold, Inbound, ProgressTold, RunnerSession
from hub.runners.sessions import Sessions
from hub.runners.waiting import Inbox
from hub.services import conditions, facts, preparations, resume, said
from hub.services.loops import stored_output
from hub.services.resume import Inventory, OutputPosition
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_GROUP = 64
"""Facts that are taken in one transaction at most."""
_HELD_MAX = 10_000
_STONES_MAX = 200_000
_PAUSE_S = 0.5
_FINISH_S = 5.0
"""Facts wait no longer for a slow disk to have the end of an output; it is settled with it all the same, later."""
_PROGRESS_S = 1.0
"""A preparation's progress is written this often; its changes of state always."""


class Worker:
    """Serves the inbox of one session after another; holds nothing of any."""

    def __init__(self, hub: Hub, sessions: Sessions) -> None:
        self._hub = hub
        self._sessions = sessions
        self._folders = FolderDesk(hub)

    async def run(self, session: RunnerSession) -> None:
        """Answer the inventory, then take what comes. Raises ProtocolError, SessionOver, CommitInDoubt."""
        await self._resume(session)
        told: dict[str, tuple[PreparationState, float]] = {}
        waiting: Inbound | None = None
        while True:
            message = waiting or await session.inbox.get()
            waiting = None
            match message:
                case Fact():
                    group, waiting = _group(message, session.inbox)
                    await self._accept(session, group)
                case Preparation():
                    await self._prepare(session, message, told)
                case FilesFound() | FolderTold():
                    await self._folders.take(session, message)
                case ProgressTold():
                    newest, session.progress = session.progress, {}
                    key = session.key
                    await self._write(
                        said.note_progress, key.workspace_id, key.runner_id, key.epoch, tuple(newest.values())
                    )
                case ConditionTold():
                    await self._note_condition(session)
                case Held() | Buried() | ResumeEnd():
                    raise ProtocolError("a second inventory")

    async def _resume(self, session: RunnerSession) -> None:
        held: list[Held] = []
        stones: list[Stone] = []
        while True:
            message = await session.inbox.get()
            match message:
                case Held() if len(held) < _HELD_MAX:
                    held.append(message)
                case Buried() if len(stones) < _STONES_MAX:
                    stones += message.stones
                case ResumeEnd():
                    break
                case ProgressTold():
                    session.progress.clear()
                case ConditionTold():
                    pass  # written below
                case _:
                    raise ProtocolError(f"{message.type} before the inventory was complete")
        inventory = Inventory(
            held=held,
            prepared=message.prepared,
            last_epoch=session.last_epoch,
            positions={one.execution_id: self._position(session, one.execution_id) for one in held},
            stones=stones,
            stones_told=message.buried == len(stones),
        )
        known = await self._write(resume.resume, session.key, inventory)
        await self._note_condition(session)
        session.strangers = frozenset(one.execution_id for one in held) - known
        # Frames can only come after the runner has read the answers, so nothing of them is missed here.
        for execution_id in known:
            position = inventory.positions[execution_id]
            self._sessions.own(execution_id, session)
            session.acks.begin(execution_id, position.have, position.safe)

    def _position(self, session: RunnerSession, execution_id: str) -> OutputPosition:
        position = self._hub.outputs.position(session.workspace_id, execution_id)
        return OutputPosition(have=position.have, safe=position.safe)

    async def _accept(self, session: RunnerSession, group: list[Fact]) -> None:
        if session.strangers:
            group = [fact for fact in group if not _is_of_stranger(session, fact)]
        if not group:
            return
        stored: dict[str, StoredOutput] = {}
        for fact in group:
            if isinstance(fact.body, FinalFact) and self._is_here(session, fact.execution_id, fact.body):
                stored |= await self._finished(session, fact.execution_id)
        await self._write(facts.accept, session.key, group, stored)

    async def _finished(self, session: RunnerSession, execution_id: str) -> dict[str, StoredOutput]:
        """What is stored of a whole output, by its execution; nothing where that takes long: it is settled later."""
        try:
            async with asyncio.timeout(_FINISH_S):
                return {execution_id: stored_output(await self._hub.outputs.finish(session.workspace_id, execution_id))}
        except TimeoutError:
            return {}

    def _is_here(self, session: RunnerSession, execution_id: str, final: FinalFact) -> bool:
        """Whether all of an output has arrived, of an execution that may send it here.

        On a full disk nobody knows when the rest will be durable: facts go on, it is settled with its output later.
        """
        if self._sessions.owner(execution_id) is not session:
            return False
        if self._hub.room.is_full:
            return self._hub.outputs.position(session.workspace_id, execution_id).safe >= final.output_bytes
        return self._hub.outputs.position(session.workspace_id, execution_id).have >= final.output_bytes

    async def _prepare(
        self, session: RunnerSession, message: Preparation, told: dict[str, tuple[PreparationState, float]]
    ) -> None:
        now_s = self._hub.clock.monotonic()
        state, at_s = told.get(message.build_id, (None, 0.0))
        if state == message.state and now_s - at_s < _PROGRESS_S:
            return
        told[message.build_id] = (message.state, now_s)
        key = session.key
        await self._write(preparations.record, key.workspace_id, key.runner_id, key.epoch, message)

    async def _note_condition(self, session: RunnerSession) -> None:
        """Write the newest; whoever follows a task is told why it waits now."""
        told, session.condition = session.condition, None
        if told is not None and await self._write(conditions.record, session.key, told):
            self._hub.signals.fitness.ring()

    async def _write(self, use_case: Callable[[Transaction, *Ts], Done[T]], *args: *Ts) -> T:
        """Write, and again after a pause when the store is busy: the runner waits for its ack meanwhile."""
        while True:
            try:
                return await self._hub.store.write(use_case, *args, urgent=True)
            except StoreUnavailable as error:
                log.warning("facts wait: %s", error)
                await asyncio.sleep(_PAUSE_S)


def _is_of_stranger(session: RunnerSession, fact: Fact) -> bool:
    """Take note of a fact whose execution is nobody's here, so that it can end and be forgotten (core.md §4).

    A refused one would be sent again in each next session, and end that too.
    """
    if fact.execution_id not in session.strangers:
        return False
    session.send(FactAck(execution_id=fact.execution_id, fence=fact.fence, seq=fact.seq))
    if isinstance(fact.body, VoidFact | FinalFact):
        session.send(Forget(execution_id=fact.execution_id, fence=fact.fence))
    return True


def _group(first: Fact, inbox: Inbox[Inbound]) -> tuple[list[Fact], Inbound | None]:
    """The facts that have come meanwhile, and the first message that is none."""
    group = [first]
    while len(group) < _GROUP and not inbox.empty():
        message = inbox.take()
        if not isinstance(message, Fact):
            return group, message
        group.append(message)
    return group, None
