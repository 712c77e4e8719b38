"""Sending a call to the hub until it is answered: over its restarts, with one key for all attempts (`core.md` §6).

A call is sent again after a broken connection, after a ticket that died with its session, after 502, 503 or 504, and
while its first send is being answered. It may be, because it is a pure read or carries a key under which the hub
answers the second time what it did the first.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import hdrs

from agent.gateway.bodies import Body
from agent.gateway.refusals import Refused
from agent.gateway_port import Forward, GatewayHost

log = logging.getLogger(__name__)

ANSWER_IN_MEMORY_BYTES = 1024 * 1024
"""An answer up to this size is read whole before the bot gets any of it, so that a cut one is asked for again."""
CONNECT_S = 5.0
SILENCE_S = 30.0
"""A hub that is silent for this long in the middle of an answer has gone."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0
_UNAUTHORIZED = 401
_COME_BACK_LATER = frozenset({502, 503, 504})

NO_ANSWER = "The hub cannot be reached now; try again"
EMPTY = Body(0)
_CONFLICT = 409
_BUSY = b'"idempotency_key_busy"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to the hub; may be sent several times."""

    method: str
    target: str
    """Path and query as they came, percent signs included."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = EMPTY
    with_ticket: bool = True
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the hub said: the beginning in memory, and the rest, if any, still to be read from `rest`."""

    status: int
    headers: Mapping[str, str]
    beginning: bytes
    rest: aiohttp.ClientResponse | None = None

    @property
    def content_type(self) -> str:
        """The media type with its parameters; empty when the hub named none."""
        return self.headers.get(hdrs.CONTENT_TYPE, "")

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return "json" in self.content_type

    def drop(self) -> None:
        """Want no more of it: a connection whose answer is not read to its end would stay open for ever."""
        if self.rest is not None:
            self.rest.close()


class Upstream:
    """The way to the hub. One HTTP client for the gateway's life; made on the event loop."""

    def __init__(self, host: GatewayHost) -> None:
        self._host = host
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        self._http = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        # aiohttp sends GET, PUT and DELETE again by itself after a dropped connection; whether a call may be repeated
        # is decided here alone. There is no public switch; test_forwarding.py proves that this one works.
        self._http._retry_connection = False  # noqa: SLF001

    async def close(self) -> None:
        """Drop all connections."""
        await self._http.close()

    async def ask(self, call: Call, within_s: float) -> Answer:
        """Send `call` until it is answered. Raises Refused 503 after `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                return await self._until_answered(call)
        except TimeoutError:
            raise Refused(503, NO_ANSWER) from None

    async def glance(self, call: Call, within_s: float) -> Answer | None:
        """Send a pure read once; None unless it is answered in time. Never waits for a session."""
        forward = self._host.forward()
        if forward is None:
            return None
        try:
            async with asyncio.timeout(within_s):
                return await self._attempt(call, forward)
        except TimeoutError:
            return None

    async def _until_answered(self, call: Call) -> Answer:
        dead_epoch = 0
        pause_s = _FIRST_PAUSE_S
        while True:
            forward = await self._session_after(dead_epoch)
            answer = await self._attempt(call, forward)
            if answer is not None and answer.status == _UNAUTHORIZED and call.with_ticket:
                # The ticket died with its session; the bot's token is good, so it never sees this 401.
                answer.drop()
                dead_epoch = forward.epoch
                continue
            if answer is not None and not (call.repeatable and _wants_another(answer)):
                return answer
            if answer is not None:
                answer.drop()
            if not call.repeatable:
                raise Refused(503, "The connection to the hub broke; whether the call was carried out is not known")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _session_after(self, dead_epoch: int) -> Forward:
        forward = self._host.forward()
        if forward is not None and forward.epoch != dead_epoch:
            return forward
        return await self._host.wait_forward(not_epoch=dead_epoch)

    async def _attempt(self, call: Call, forward: Forward) -> Answer | None:
        """Send once; None when the connection broke before the answer was here."""
        try:
            return await self._send(call, forward)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # No URL and no text of the error: both may hold what a bot wrote.
            log.info("forwarding %s broke: %s", call.method, type(error).__name__)
            return None

    async def _send(self, call: Call, forward: Forward) -> Answer:
        headers = dict(call.headers)
        if call.with_ticket:
            headers[hdrs.AUTHORIZATION] = f"Bearer {forward.ticket}"
        if call.body.size:
            headers[hdrs.CONTENT_LENGTH] = str(call.body.size)
        response = await self._http.request(
            call.method,
            forward.base_url + call.target,
            headers=headers,
            data=call.body.pieces() if call.body.size else None,
            **forward.how,
        )
        return await _begin(response)


def _wants_another(answer: Answer) -> bool:
    """Whether the same call has another answer in a moment: also while the hub gives its first send one."""
    is_busy = answer.status == _CONFLICT and _BUSY in answer.beginning
    return is_busy or answer.status in _COME_BACK_LATER


async def _begin(response: aiohttp.ClientResponse) -> Answer:
    """Read the answer, or its first part when it is long."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < ANSWER_IN_MEMORY_BYTES:
            piece = await response.content.readany()
            if not piece:
                break
            parts.append(piece)
            size += len(piece)
    except BaseException:
        response.close()
        raise
    is_whole = response.content.at_eof()
    if is_whole:
        response.release()
    return Answer(
        status=response.status,
        headers=response.headers,
        beginning=b"".join(parts),
        rest=None if is_whole else response,
    )
