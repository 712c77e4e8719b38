"""Handing a bot's call on to the hub, and the hub's answer back (`core.md` §6)."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from urllib.parse import unquote

from aiohttp import ClientError, hdrs, web

from agent.gateway.bodies import PIECE_BYTES, Body, receive
from agent.gateway.callers import calling_bot, is_hub_token, token_of
from agent.gateway.desk import DESK, Desk
from agent.gateway.reads import answers_a_secret, is_pure_read
from agent.gateway.refusals import Refused, refusal
from agent.gateway.upstream import ANSWER_IN_MEMORY_BYTES, Answer, Call
from agent.gateway_port import BotExecution
from agent.wire.maestro_answers import API_PREFIX

EXECUTION_HEADER = "Botyard-Execution"
KEY_HEADER = "Idempotency-Key"

_SENT_ON = (hdrs.CONTENT_TYPE, hdrs.ACCEPT)
_SENT_ON_FOR_HUB_TOKENS = (*_SENT_ON, "organization", "X-Organization")
_SENT_BACK = (
    *(hdrs.CONTENT_TYPE, hdrs.CONTENT_DISPOSITION, hdrs.RETRY_AFTER),
    *(hdrs.ETAG, hdrs.ACCEPT_RANGES, hdrs.CONTENT_RANGE),
)
_HAS_TEXTS = re.compile(
    API_PREFIX + r"/(?:alerts|error|message|log/[^/]+/entry|maestro/api/logs|task/[^/]+(?:/finish)?)"
)
"""A finish goes to the hub where it is another task's, or where the spool has no room for it."""


async def forward_any(request: web.Request) -> web.StreamResponse:
    """Forward a call of whoever has a token: a bot's with the session's ticket, one with a hub's token as it is."""
    if is_hub_token(token_of(request)):
        return await _forward_for_itself(request)
    return await forward(request, await calling_bot(request, request.app[DESK].host))


async def forward(request: web.Request, bot: BotExecution, body: bytes | None = None) -> web.StreamResponse:
    """Forward a bot's call; `body` where it has been read already."""
    desk = request.app[DESK]
    _refuse_odd_path(request)
    pure = is_pure_read(request.method, request.path)
    headers = {EXECUTION_HEADER: bot.execution_id} | _picked(request, _SENT_ON)
    if not pure:
        # Made before the first send and the same for all attempts: the hub carries the call out once.
        headers[KEY_HEADER] = key_of(request)
    received = await _body_of(request, desk) if body is None else Body(len(body), body)
    try:
        call = Call(
            method=request.method,
            target=request.raw_path,
            headers=headers,
            body=_masked(request, received, bot.mask),
        )
        answer = await desk.upstream.ask(call, desk.settings.give_up_s)
    finally:
        received.close()
    if not pure:
        desk.host.spoke(bot.execution_id)
    if answer.status < 300 and answers_a_secret(request.method, request.path):
        await _mask_secret(desk, bot, answer)
    return await relay(request, answer)


async def _mask_secret(desk: Desk, bot: BotExecution, answer: Answer) -> None:
    """Have the answer masked in the bot's output before any of it is given (`core.md` §3)."""
    try:
        if answer.rest is not None:
            # Its end is not here yet, so nothing could mask it.
            raise Refused(502, f"The hub's secret is larger than {ANSWER_IN_MEMORY_BYTES} bytes")  # noqa: TRY301
        await desk.host.add_masks(bot.execution_id, [answer.beginning.decode(errors="replace")])
    except BaseException:
        answer.drop()
        raise


def key_of(request: web.Request) -> str:
    """The idempotency key of a bot's call: made of its own where it sends one, else random.

    With a key of its own a bot may repeat what its runner died without answering. The bot's token makes a secret of it.
    """
    own = request.headers.get(KEY_HEADER)
    if not own:
        return secrets.token_hex(16)
    return hmac.new(token_of(request).encode(), own.encode(errors="replace"), hashlib.sha256).hexdigest()


async def forward_login(request: web.Request) -> web.StreamResponse:
    """Forward a login: it needs no token and gives one of the hub's own."""
    return await _forward_for_itself(request, repeatable=True)


async def _forward_for_itself(request: web.Request, *, repeatable: bool = False) -> web.StreamResponse:
    """Forward with what the caller itself has, without our ticket: the hub decides what that is worth."""
    desk = request.app[DESK]
    _refuse_odd_path(request)
    headers = _picked(request, _SENT_ON_FOR_HUB_TOKENS)
    if token := token_of(request):
        headers["token"] = token
    received = await _body_of(request, desk)
    try:
        call = Call(
            method=request.method,
            target=request.raw_path,
            headers=headers,
            body=received,
            with_ticket=False,
            # Without an execution there is no key, so only what changes nothing is sent twice.
            repeatable=repeatable or is_pure_read(request.method, request.path),
        )
        answer = await desk.upstream.ask(call, desk.settings.give_up_s)
    finally:
        received.close()
    return await relay(request, answer)


async def relay(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Give the hub's answer to the bot; a redirect or a page of some proxy becomes an error that SDKs can read."""
    if 300 <= answer.status < 400:
        answer.drop()
        return refusal(502, "The hub answered with a redirect", request.path)
    if answer.status >= 400 and not answer.is_json:
        answer.drop()
        return refusal(answer.status, f"The hub answered {answer.status}", request.path)
    headers = {str(name): answer.headers[name] for name in _SENT_BACK if name in answer.headers}
    if answer.rest is None:
        return web.Response(status=answer.status, headers=headers, body=answer.beginning)
    return await _stream(request, answer, headers)


async def _stream(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    assert answer.rest is not None
    if hdrs.CONTENT_LENGTH in answer.headers and hdrs.CONTENT_ENCODING not in answer.headers:
        headers[hdrs.CONTENT_LENGTH] = answer.headers[hdrs.CONTENT_LENGTH]  # of bytes that we pass on as they are
    response = web.StreamResponse(status=answer.status, headers=headers)
    try:
        await response.prepare(request)
        await response.write(answer.beginning)
        async for piece in answer.rest.content.iter_chunked(PIECE_BYTES):
            await response.write(piece)
        await response.write_eof()
    except (ClientError, TimeoutError):
        # The status is out already: only a connection that breaks tells the bot that its file is not whole.
        if request.transport is not None:
            request.transport.abort()
    finally:
        answer.rest.close()
    return response


async def _body_of(request: web.Request, desk: Desk) -> Body:
    if not request.can_read_body:
        return Body(0)
    return await receive(request, desk.settings.upload_folder, desk.settings.upload_max_bytes)


def _picked(request: web.Request, names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.headers[name] for name in names if name in request.headers}


def _masked(request: web.Request, body: Body, mask: Callable[[str], str]) -> Body:
    """The body without secrets in its texts, where people will read them (`core.md` §3)."""
    if body.file is not None or not body.data or _HAS_TEXTS.fullmatch(request.path) is None:
        return body
    try:
        value = json.loads(body.data)
    except (ValueError, RecursionError):
        return body  # the hub refuses it, and keeps nothing of it
    data = json.dumps(mask_texts(value, mask)).encode()
    return Body(len(data), data)


def mask_texts(value: object, mask: Callable[[str], str]) -> object:
    """A JSON value with every text in it masked, names of members too."""
    match value:
        case str():
            return mask(value)
        case list():
            return [mask_texts(one, mask) for one in value]
        case dict():
            return {mask(name): mask_texts(one, mask) for name, one in value.items()}
        case _:
            return value


def _refuse_odd_path(request: web.Request) -> None:
    """Our ticket opens more at the hub than bots may see: no path that a proxy could fold out of ``/api/v2``."""
    path = request.raw_path.partition("?")[0]
    plain = unquote(unquote(path)).replace("\\", "/")
    if not path.startswith(API_PREFIX + "/") or {".", ".."} & set(plain.split("/")):
        raise Refused(404, "There is no such route")
