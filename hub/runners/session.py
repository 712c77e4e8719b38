"""One runner's open session: what comes in, what goes out, how it ends (core.md D5; P8, P9).

Three tasks below one TaskGroup::

    reader   frames in: heartbeats and credits at once, output straight to the store of outputs, the rest to the inbox;
             it never awaits the database
    worker   inbox in order: inventory, facts in groups, preparations; each write guarded by the epoch
    writer   what could not be sent at once; there only while something could not

The session ends when any of them does, or when `close` is called; then its credits are void and its row is closed.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from aiohttp import WSCloseCode, WSMsgType

from agent.wire.codec import ProtocolError, decode_output, decode_to_hub, encode
from agent.wire.condition import Condition
from agent.wire.facts import Fact
from agent.wire.messages import (
    Buried,
    Bye,
    Forget,
    Heartbeat,
    HeartbeatAck,
    Held,
    Hello,
    OutputGap,
    Preparation,
    Progress,
    ResumeEnd,
    SlotBusy,
    SlotFree,
    Start,
    ToHub,
    ToRunner,
)
from agent.wire.watching import FilesFound, FolderNews, FolderTold
from hub.context import Hub
from hub.errors import Unavailable
from hub.runners.output_acks import OutputAcks
from hub.runners.port import RunnerSocket, RunnerTransport
from hub.runners.sessions import Sessions
from hub.runners.waiting import Flag, Inbox, InboxFull
from hub.runners.writer import BacklogFull, OrderedWriter
from hub.services.effects import ByeReason
from hub.services.facts import SessionOver
from hub.services.runners import Opened
from hub.services.subject import SessionKey

log = logging.getLogger(__name__)

INBOX_MAX = 4096
"""Messages of a runner that may wait for the database; one more ends its session."""
_FAREWELL_S = 2.0
_BYTES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE})
"""What was sent by the runner; all else says that nothing comes any more."""
_COME_BACK_S = (0.2, 3.0)
"""A herd is spread over this when a hub stops in order (R5)."""


@dataclass(frozen=True, slots=True)
class ProgressTold:
    """`RunnerSession.progress` is to be written."""


@dataclass(frozen=True, slots=True)
class ConditionTold:
    """`RunnerSession.condition` is to be written."""


Inbound = Fact | Held | Buried | ResumeEnd | Preparation | ProgressTold | ConditionTold | FolderNews


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A socket whose handshake is done."""

    socket: RunnerSocket
    transport: RunnerTransport
    last_epoch: int
    """The session before this one, as the runner knows it."""
    opened: Opened


class RunnerSession:
    """See the module. Made on the loop, registered by whoever made it.

    A hub has one for each runner: what it holds while nothing happens is measured (`tests/bench/connections.py`).
    """

    # fmt: off
    __slots__ = (
        "_closing", "_drain", "_fitness", "_group", "_hub", "_leaving", "_opened", "_sessions", "_socket", "_transport",
        "_why", "_writer",
        "acks", "condition", "ended", "heard_s", "inbox", "last_epoch", "progress", "strangers", "ticket",
    )
    # fmt: on

    def __init__(self, hub: Hub, sessions: Sessions, connection: Connection) -> None:
        self._hub = hub
        self._sessions = sessions
        self._socket = connection.socket
        self._opened = connection.opened
        self.last_epoch = connection.last_epoch
        self.heard_s = asyncio.get_running_loop().time()
        """When its last frame came, by the loop's clock."""
        self.ticket = secrets.token_urlsafe(32)
        self.inbox: Inbox[Inbound] = Inbox(INBOX_MAX)
        self.progress: dict[str, Progress] = {}
        """The newest that was not written yet, by execution."""
        self.condition: Condition | None = None
        """The newest that it told and that was not written yet."""
        self.strangers: frozenset[str] = frozenset()
        """Executions that it named and that are not its own here: told to end, their facts go nowhere."""
        self.ended = Flag()
        self.acks = OutputAcks(self.send)
        self._writer = OrderedWriter(connection.socket, connection.transport, self._start_drain)
        self._transport = connection.transport
        self._closing = False
        self._group: asyncio.TaskGroup | None = None
        self._drain: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._why: tuple[ByeReason, str] | None = None
        self._fitness: tuple[bool, tuple[str, ...]] = (True, ())
        """Whether it said last that it is fit to run bots, and why not."""

    @property
    def key(self) -> SessionKey:
        """The session as services name it."""
        return self._opened.key

    @property
    def workspace_id(self) -> str:
        """The workspace that the runner belongs to."""
        return self._opened.key.workspace_id

    @property
    def name(self) -> str:
        """The runner's name."""
        return self._opened.name

    @property
    def workspace(self) -> str:
        """That workspace's label."""
        return self._opened.workspace

    @property
    def runner_id(self) -> str:
        """The runner."""
        return self._opened.key.runner_id

    @property
    def epoch(self) -> int:
        """The session's number."""
        return self._opened.key.epoch

    # --- out ---

    def send(self, message: ToRunner) -> None:
        """Send in order, now if the socket takes it; a session whose backlog is full is closed."""
        if self._closing:
            return
        if isinstance(message, Start):
            self._sessions.own(message.execution_id, self)
        elif isinstance(message, Forget):
            self._sessions.disown(message.execution_id)
            self.acks.forget(message.execution_id)
        try:
            self._writer.put(encode(message))
        except BacklogFull:
            self.close("overload", "the runner does not read")

    def close(self, reason: ByeReason, message: str = "") -> None:
        """Say goodbye and end the session soon; returns at once. No credit of it is given out from now on."""
        if self._closing:
            return
        self._why = (reason, message)
        self._hub.book.drop_session(self.runner_id, self.epoch)
        come_back_s = random.uniform(*_COME_BACK_S) if reason == "shutdown" else None  # noqa: S311 - a spread, no secret
        bye = Bye(reason=reason, message=message, reconnect_after_s=come_back_s)
        with suppress(BacklogFull):
            self._writer.put(encode(bye))
        self._end()

    @property
    def is_closing(self) -> bool:
        """Whether its end has begun: from then on its ticket is worth nothing."""
        return self._closing

    @property
    def why(self) -> str:
        """Why it ended."""
        return "connection lost" if self._why is None else ": ".join(part for part in self._why if part)

    # --- life ---

    async def serve(self, work: Callable[["RunnerSession"], Coroutine[None, None, None]]) -> None:
        """Live until the socket ends, the runner breaks the protocol, or `close` is called."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            if self._writer.has_backlog:
                self._start_drain()
            if self._closing:
                self._start_farewell()
            worker = group.create_task(self._part(partial(work, self)))
            try:
                # The reader is this task itself; a farewell closes the socket, and so ends it.
                await self._part(self._read)
                if self._leaving is not None:
                    await self._leaving
            finally:
                self._group = None
                self.acks.close()
                for task in filter(None, (worker, self._drain, self._leaving)):
                    task.cancel()

    def _start_drain(self) -> None:
        """Send what had to wait, by a task that ends when nothing does any more."""
        if self._group is not None and (self._drain is None or self._drain.done()):
            self._drain = self._group.create_task(self._part(self._writer.flush, is_for_life=False))

    def _start_farewell(self) -> None:
        if self._group is not None and self._leaving is None:
            self._leaving = self._group.create_task(self._farewell())

    def silent_s(self) -> float:
        """Seconds since its last frame came."""
        return asyncio.get_running_loop().time() - self.heard_s

    def give_up(self) -> None:
        """The runner was silent for too long: the link is dead, whatever the system says of it (R42).

        Nobody is waited for. Where only our ears are deaf (R43), the goodbye tells the runner sooner.
        """
        log.info("runner %s is silent or gone", self.runner_id)
        self.close("unanswered", f"nothing heard for {self.silent_s():.0f} s")
        if self._writer.has_backlog or self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()  # the kernel still tries to deliver what it has

    async def _part(self, part: Callable[[], Coroutine[None, None, None]], *, is_for_life: bool = True) -> None:
        """Begin and run one part; when it fails the session ends, and says why where that is the runner's business.

        The end of a part `is_for_life` is the session's in any case.
        """
        try:
            await part()
            if not is_for_life:
                return
        except ProtocolError as error:
            log.warning("runner %s broke the protocol: %s", self.runner_id, error)
            self.close("protocol", str(error)[:500])
        except SessionOver as error:
            self.close("replaced", str(error))
        except Unavailable as error:
            log.warning("session of runner %s: %s", self.runner_id, error)
            self.close("overload", "the hub could not write")
        except (ConnectionError, TimeoutError) as error:
            log.info("runner %s is silent or gone: %s", self.runner_id, error)
        except Exception:
            log.exception("session of runner %s failed", self.runner_id)
            self.close("overload", "the hub failed")
        self._end()

    def _end(self) -> None:
        self._closing = True
        self._start_farewell()

    async def _farewell(self) -> None:
        """Flush what is queued and close; a runner that does not read is cut off (S5: within 5 s)."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._writer.flush()
                code = WSCloseCode.SERVICE_RESTART if self._why and self._why[0] == "shutdown" else WSCloseCode.OK
                await self._socket.close(code=code)
        except (TimeoutError, ConnectionError):
            self._transport.abort()

    # --- in ---

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            received = await self._socket.receive()
            if received.type in _BYTES:
                self.heard_s = clock()
            if received.type is WSMsgType.TEXT:
                self._on_message(decode_to_hub(received.data))
            elif received.type is WSMsgType.BINARY:
                self._on_output(received.data)
            elif received.type is WSMsgType.PING:
                await self._socket.pong(received.data)
            elif received.type is WSMsgType.PONG:
                continue
            elif received.type is WSMsgType.ERROR:
                raise ProtocolError(f"the socket failed: {self._socket.exception()}")
            else:
                return

    def _on_message(self, message: ToHub) -> None:
        """Answer at once what needs no database; queue the rest in order."""
        match message:
            case Heartbeat():
                self._on_heartbeat(message)
            case SlotFree() | SlotBusy():
                self._on_slot(message)
            case OutputGap():
                if self._sessions.owner(message.execution_id) is self:
                    self._hub.outputs.gap(self.workspace_id, message.execution_id, message.gap)
            case Progress():
                self._on_progress(message)
            case Condition():
                self._on_condition(message)
            case Fact() | Held() | Buried() | ResumeEnd() | Preparation() | FilesFound() | FolderTold():
                try:
                    self.inbox.put(message)
                except InboxFull:
                    self.close("overload", "the hub does not keep up")
            case Hello():
                raise ProtocolError("a second hello")
            case _:
                assert_never(message)

    def _on_progress(self, told: Progress) -> None:
        """Keep the newest of each execution until the worker writes them; of others' executions nothing is taken."""
        if self._sessions.owner(told.execution_id) is not self:
            return
        if not self.progress and len(self.inbox) < INBOX_MAX // 2:
            self.inbox.put(ProgressTold())
        elif not self.progress:
            return  # facts wait for the database: how far a bot is by now matters less
        self.progress[told.execution_id] = told

    def _on_condition(self, told: Condition) -> None:
        """Credits count by it at once; the worker writes the newest."""
        if self._hub.book.told(self.runner_id, self.epoch, told):
            self._hub.signals.dispatch.ring(self.workspace_id)
        if self.condition is None:
            try:
                self.inbox.put(ConditionTold())
            except InboxFull:
                self.close("overload", "the hub does not keep up")
        self.condition = told

    def _on_heartbeat(self, beat: Heartbeat) -> None:
        self._sessions.heard(self.runner_id)
        if self._hub.book.renew(self.runner_id, self.epoch, beat.stamp, ready=beat.ready, unfit=beat.unfit):
            self._hub.signals.dispatch.ring(self.workspace_id)
        if self._fitness != (beat.ready, beat.unfit):
            self._fitness = beat.ready, beat.unfit
            self._hub.signals.fitness.ring()
        position = self._hub.signals.commit_position
        self.send(HeartbeatAck(number=beat.number, commit_position=position, at=self._hub.clock.now()))

    def _on_slot(self, slot: SlotFree | SlotBusy) -> None:
        book = self._hub.book
        if isinstance(slot, SlotBusy):
            book.slot_busy(self.runner_id, self.epoch, slot.slot, slot.generation)
        elif book.slot_free(self.runner_id, self.epoch, slot.slot, slot.generation, slot.stamp):
            self._hub.signals.dispatch.ring(self.workspace_id)

    def _on_output(self, raw: bytes) -> None:
        """Output goes straight to its store; of executions that are not this session's, nothing is taken."""
        frame = decode_output(raw)
        if self._sessions.owner(frame.execution_id) is not self:
            return
        receipt = self._hub.outputs.receive(self.workspace_id, frame)
        if receipt.refused:
            return
        if receipt.hole:
            self.acks.hole(frame.execution_id, receipt.have)
        else:
            self.acks.advanced(frame.execution_id, receipt.have)
