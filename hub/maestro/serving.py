"""From a row of the table to an answer: who calls, may he, the body, the handler; any step may refuse, in shape."""

import asyncio
import functools
import logging
import secrets

from aiohttp import web

from agent.wire.maestro_answers import API_PREFIX
from hub.context import Hub
from hub.domain.access import Caller
from hub.maestro.call import NOBODY, Call
from hub.maestro.callers import authenticated
from hub.maestro.errors import Refused, answer_of, refusal
from hub.maestro.routes import ROWS, Row

log = logging.getLogger(__name__)

JSON_MAX_BYTES = 1024 * 1024
"""Largest JSON body (`reliability.md` S39)."""
TIMEOUT_S = 20.0
"""SDKs give up after 30 s, a gateway after 27; by then they have an answer."""
_KEY_MAX = 255


def mount(app: web.Application, hub: Hub) -> None:
    """Serve the table, and answer everything else under ``/api/v2`` in its shape."""
    app.add_routes(routes(hub))


def routes(hub: Hub) -> list[web.RouteDef]:
    """The table as aiohttp's routes, the catch-all last."""
    served = [web.route(row.method, API_PREFIX + row.path, functools.partial(_shaped, hub, row)) for row in ROWS]
    return [*served, web.route("*", API_PREFIX + "/{rest:.*}", _no_route)]


async def _shaped(hub: Hub, row: Row, request: web.Request) -> web.StreamResponse:
    """Whatever is raised becomes BotCity's error object; the unforeseen tells only a number (S54)."""
    try:
        return await _serve(hub, row, request)
    except ConnectionError:
        raise  # nobody is there to be answered
    except Exception as error:  # the rim of a request
        foreseen = answer_of(error, request.path, row.conflict)
        if foreseen is not None:
            return foreseen
        number = secrets.token_hex(4)
        log.exception("%s %s failed: %s", row.method, row.path, number)
        return refusal(500, f"The hub failed on this call ({number})", request.path)


async def _serve(hub: Hub, row: Row, request: web.Request) -> web.StreamResponse:
    async with asyncio.timeout(TIMEOUT_S):
        caller = await _caller(hub, row, request)
        if row.adds:
            hub.room.check()
        # Some GETs carry a body that means nothing (§1.1).
        raw = b"" if row.method == "GET" else await _read(request)
        return await row.handler(Call(hub=hub, caller=caller, request=request, raw=raw, key=_key(request)))


async def _caller(hub: Hub, row: Row, request: web.Request) -> Caller:
    if row.role is None:
        return NOBODY
    caller = await authenticated(hub, request)
    if not caller.may(row.role):
        raise Refused(403, f"This needs the role {row.role}; {caller.name} has the role {caller.role}")
    return caller


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > JSON_MAX_BYTES:
            raise Refused(413, f"A body has at most {JSON_MAX_BYTES} bytes")
    return bytes(body)


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= _KEY_MAX:
        raise Refused(400, f"An Idempotency-Key has 1 to {_KEY_MAX} characters")
    return key


async def _no_route(request: web.Request) -> web.StreamResponse:
    """404, or 405 where another method would be served."""
    allowed = sorted({row.method for row in ROWS if _fits(row.path, request.path.removeprefix(API_PREFIX))})
    if not allowed or request.method in allowed:
        return refusal(404, "There is no such route", request.path)
    refused = refusal(405, f"{request.method} is not served here", request.path)
    refused.headers["Allow"] = ", ".join(allowed)
    return refused


def _fits(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        one == other or one.startswith("{") for one, other in zip(wanted, given, strict=True)
    )
