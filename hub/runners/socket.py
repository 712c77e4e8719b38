"""The runners' websocket, ``GET /runner/v1/link``: admission, handshake, one session, its end."""

import asyncio
import logging
import math
import re
from typing import cast

from aiohttp import WSCloseCode, web

from agent.wire.codec import ProtocolError, encode
from agent.wire.enrolment import NONCE_HEADER
from agent.wire.limits import FRAME_MAX_BYTES
from agent.wire.messages import Rejected, Welcome
from hub.context import Hub
from hub.errors import Unavailable
from hub.runners.admission import Admission, Place
from hub.runners.handshake import Greeted, Handshake, HandshakeRefused
from hub.runners.port import Arrival, RunnerSocket
from hub.runners.session import Connection, RunnerSession
from hub.runners.sessions import Sessions
from hub.runners.silence import SilenceWatch
from hub.runners.worker import Worker
from hub.services import runners
from hub.services.live import Unclosed
from hub.services.runners import Opened

log = logging.getLogger(__name__)

_NONCE = re.compile(r"[0-9a-f]{64}\Z")
_REPLACE_S = 10.0
"""Longest wait for an old session of the runner to be gone; it is cut off long before."""


class LinkEndpoint:
    """Serves runners' connections for one hub."""

    def __init__(self, hub: Hub, sessions: Sessions) -> None:
        self._hub = hub
        self._sessions = sessions
        self._handshake = Handshake(hub.store, hub.identity, hub.settings)
        self._worker = Worker(hub, sessions)
        self._admission = Admission(hub.settings.admissions_per_s, hub.clock.monotonic)
        self._silence = SilenceWatch(sessions, hub.settings.silence_s)
        self._stopping = False
        hub.outputs.on_progress(self._output_safe)
        hub.outputs.on_again(self._output_again)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from its upgrade to its end."""
        wait_s = self.admit()
        if wait_s is not None:
            seconds = str(max(1, math.ceil(wait_s)))
            return web.Response(status=503, text="too many runners at once\n", headers={"Retry-After": seconds})
        if not _NONCE.match(request.headers.get(NONCE_HEADER, "")):
            return web.Response(status=400, text=f"{NONCE_HEADER} is missing: this address is for botyard-agent\n")
        socket = web.WebSocketResponse(compress=False, max_msg_size=FRAME_MAX_BYTES + 1024, autoping=False)
        try:
            return await self._upgraded(request, socket)
        except ConnectionError as error:
            # aiohttp would print its whole stack for a runner that has given up meanwhile.
            log.info("a runner at %s hung up: %s", request.remote, error)
            return socket

    async def _upgraded(self, request: web.Request, socket: web.WebSocketResponse) -> web.StreamResponse:
        await socket.prepare(request)
        if request.transport is None:
            raise ConnectionResetError("it is gone")
        arrival = Arrival(
            socket=cast("RunnerSocket", socket),
            transport=cast("asyncio.WriteTransport", request.transport),
            nonce=request.headers[NONCE_HEADER],
            host=request.host,
            remote=request.remote,
        )
        await self.attend(arrival)
        return socket

    def admit(self) -> float | None:
        """Take one more connection: None; or in how many seconds it should be tried again."""
        wait_s = self._admission.admit()
        return wait_s if wait_s or self._stopping else None

    async def attend(self, arrival: Arrival) -> None:
        """One connection, from its handshake to its end."""
        socket = arrival.socket
        try:
            # What a handshake needed is not kept for the months that a session may last.
            session = await self._begun(arrival)
            await self._live(session)
        except HandshakeRefused as refused:
            log.info("a runner was refused: %s", refused.answer.code)
            await socket.send_str(encode(refused.answer))
        except (ProtocolError, TimeoutError, ConnectionError, Unavailable) as error:
            log.info("a handshake from %s failed: %s", arrival.remote, error)
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)

    def stop(self) -> None:
        """Take no connection any more; tell every runner when to come back (R5)."""
        self._stopping = True
        for session in self._sessions.all():
            session.close("shutdown", "the hub restarts")

    async def stopped(self) -> None:
        """Wait until every session has ended."""
        for session in self._sessions.all():
            await session.ended.wait()

    async def _begun(self, arrival: Arrival) -> RunnerSession:
        """`_begin`, as one of the handshakes that may be under way."""
        place = self._admission.begin()
        try:
            return await self._begin(arrival, place)
        finally:
            place.end()

    async def _begin(self, arrival: Arrival, place: Place) -> RunnerSession:
        """Greet, open, welcome: the session is registered when this returns, and is not when it raises."""
        greeted = await self._handshake.greet(arrival, place)
        runner_id = greeted.runner.id
        async with self._sessions.opening(runner_id):
            await self._end_old(runner_id)
            opened = await self._open(greeted)
            last_epoch = greeted.hello.last_epoch
            connection = Connection(
                socket=arrival.socket, transport=arrival.transport, last_epoch=last_epoch, opened=opened
            )
            session = RunnerSession(self._hub, self._sessions, connection)
            self._sessions.add(session)
        try:
            self._hub.book.open_session(opened.key.workspace_id, runner_id, opened.key.epoch, opened.labels)
            self._sessions.heard(runner_id)
            await arrival.socket.send_str(encode(_welcome(session, opened, greeted.protocol)))
        except BaseException:
            await asyncio.shield(self._closed(session))
            raise
        log.info("runner %s connected, epoch %d", opened.name, session.epoch)
        return session

    async def _live(self, session: RunnerSession) -> None:
        try:
            self._silence.begin()
            await session.serve(self._worker.run)
        finally:
            await asyncio.shield(self._closed(session))

    async def _end_old(self, runner_id: str) -> None:
        """D5: a session opens after the old one's reader and queue are gone."""
        old = self._sessions.find(runner_id)
        if old is not None:
            old.close("replaced", "the runner connected again")
            async with asyncio.timeout(_REPLACE_S):
                await old.ended.wait()

    async def _open(self, greeted: Greeted) -> Opened:
        runner = greeted.runner
        opened = await self._hub.store.write(
            runners.open_session, runner.workspace_id, greeted.hello, self._hub.identity.hub_id, urgent=True
        )
        if opened is None:
            answer = Rejected(code="busy", message="another connection of this runner was first", final=False)
            refused = HandshakeRefused(answer.code, answer.message)
            refused.answer = answer
            raise refused
        return opened

    async def _closed(self, session: RunnerSession) -> None:
        """The end of a session, whatever ended it: no credit, no ticket, no output of it counts any more."""
        self._hub.book.drop_session(session.runner_id, session.epoch)
        self._sessions.remove(session)
        heard_s_ago = session.silent_s()
        try:
            await self._hub.store.write(runners.close_session, session.key, session.why, heard_s_ago, urgent=True)
        except Unavailable as error:
            log.warning("the end of a session of %s was not written: %s; a sweep will", session.name, error)
            heard_s = self._hub.clock.boot_ns() / 1e9 - heard_s_ago
            self._sessions.note_unclosed(Unclosed(key=session.key, why=session.why, heard_s=heard_s))
        finally:
            session.ended.set()
        log.info("runner %s disconnected, epoch %d: %s", session.name, session.epoch, session.why)

    def _output_again(self, execution_id: str, have: int) -> None:
        owner = self._sessions.owner(execution_id)
        if owner is not None:
            owner.acks.again(execution_id, have)

    def _output_safe(self, execution_id: str, have: int, safe: int) -> None:
        owner = self._sessions.owner(execution_id)
        if owner is not None:
            owner.acks.advanced(execution_id, have, safe)


def _welcome(session: RunnerSession, opened: Opened, protocol: int) -> Welcome:
    return Welcome(
        protocol=protocol,
        epoch=session.epoch,
        ticket=session.ticket,
        runner_name=opened.name,
        workspace=opened.workspace,
        store_id=opened.store_id,
        show_buried=opened.must_show,
    )
