"""Queues and items for bots: what stands at the hub under ``/api/v1`` is at ``BOTYARD_API_URL`` under the same names.

Only what an item's work needs is handed on, in the name of the execution whose token the bot has: the hub holds the bot
to the items of its own. What changes something carries a key: a call repeated takes nothing twice (`core.md` §6). A bot
that hangs up while it waits for items takes none.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from aiohttp import hdrs, web

from agent.gateway.bodies import Body, read_small, receive
from agent.gateway.callers import calling_bot
from agent.gateway.desk import DESK, Desk
from agent.gateway.forwarding import EXECUTION_HEADER, KEY_HEADER, key_of, mask_texts, relay
from agent.gateway.hang_ups import has_hung_up, takes_items
from agent.gateway.refusals import Refused
from agent.gateway.server import OWN_API_PATH
from agent.gateway.upstream import Call
from agent.wire.withdrawn import WITHDRAW_HEADER

HUB_API = "/api/v1"
BODY_MAX_BYTES = 1024 * 1024
_SEGMENT = r"/[A-Za-z0-9_.~%:@-]+"
_CALLS = {
    "GET": re.compile(rf"/queues(?:{_SEGMENT}(?:/items)?)?|/items{_SEGMENT}(?:/files(?:{_SEGMENT})?)?"),
    "POST": re.compile(
        rf"/queues{_SEGMENT}/(?:items|items/bulk|take|work|batches)"
        rf"|/items{_SEGMENT}/(?:complete|renew|once{_SEGMENT})"
        rf"|/batches{_SEGMENT}/(?:items|show)|/files"
    ),
    "PUT": re.compile(rf"/items{_SEGMENT}/(?:progress|files{_SEGMENT})"),
    "DELETE": re.compile(rf"/batches{_SEGMENT}"),
}
_FILE = re.compile(rf"(?:POST /files|PUT /items{_SEGMENT}/files{_SEGMENT})")
_OF_A_PART = (str(hdrs.RANGE), str(hdrs.IF_RANGE))
_SLOWEST_BYTES_S = 128 * 1024
"""A file may take its time, as long as the line to the hub carries so much a second."""

log = logging.getLogger(__name__)


async def forward_work(request: web.Request) -> web.StreamResponse:
    """Hand a bot's call about items on to the hub, and its answer back."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    target = _target(request)
    headers = {EXECUTION_HEADER: bot.execution_id, hdrs.ACCEPT: "application/json"}
    if request.method == "GET":
        headers |= {name: request.headers[name] for name in _OF_A_PART if name in request.headers}
    else:
        headers[KEY_HEADER] = key_of(request)
    if _FILE.fullmatch(f"{request.method} {_named(request)}"):
        return await _forward_file(
            request, desk, bot.execution_id, Call(method=request.method, target=target, headers=headers)
        )
    body = Body(0)
    if request.can_read_body:
        data = _masked(await read_small(request, BODY_MAX_BYTES), bot.mask)
        body = Body(len(data), data)
        # `curl -d` says something else by itself; nothing but JSON means anything here.
        headers[hdrs.CONTENT_TYPE] = "application/json"
    call = Call(method=request.method, target=target, headers=headers, body=body)
    try:
        answer = await desk.upstream.ask(call, desk.settings.give_up_s)
    except asyncio.CancelledError:
        if takes_items(request):  # whether the bot has hung up or we stop: it never has the answer
            desk.under_way.begin(_withdraw(desk, call))
        raise
    if takes_items(request) and has_hung_up(request):
        desk.under_way.begin(_withdraw(desk, call))
    if request.method != "GET":
        desk.host.spoke(bot.execution_id)
    return await relay(request, answer)


async def _forward_file(request: web.Request, desk: Desk, execution_id: str, call: Call) -> web.StreamResponse:
    """Hand a file on, byte by byte as it came; it may be sent several times, so it lies on the disk meanwhile."""
    body = await receive(request, desk.settings.upload_folder, desk.settings.upload_max_bytes)
    try:
        sent = replace(call, headers={**call.headers, hdrs.CONTENT_TYPE: "application/octet-stream"}, body=body)
        answer = await desk.upstream.ask(sent, desk.settings.give_up_s + body.size / _SLOWEST_BYTES_S)
    finally:
        body.close()
    desk.host.spoke(execution_id)
    return await relay(request, answer)


async def _withdraw(desk: Desk, call: Call) -> None:
    """Have the hub take nothing for this call, and give back what it has taken."""
    again = replace(call, headers={**call.headers, WITHDRAW_HEADER: "1"})
    try:
        answer = await desk.upstream.ask(again, desk.settings.give_up_s)
    except Refused:
        log.warning("items that a bot no longer waited for stay its own until their lease or its execution ends")
    else:
        answer.drop()


def _named(request: web.Request) -> str:
    return request.raw_path.partition("?")[0].removeprefix(OWN_API_PATH)


def _target(request: web.Request) -> str:
    """Where the call goes at the hub. Raises Refused for whatever is no call of an item's work."""
    _, question, query = request.raw_path.partition("?")
    named = _named(request)
    calls = _CALLS.get(request.method)
    # Our ticket opens more at the hub than bots may see: no path that a proxy could fold into another one.
    is_plain = not {".", ".."} & set(unquote(unquote(named)).replace("\\", "/").split("/"))
    if calls is None or not calls.fullmatch(named) or not is_plain:
        raise Refused(404, "There is no such call; README.md, Queues and items, has all of them")
    return HUB_API + named + question + query


def _masked(data: bytes, mask: Callable[[str], str]) -> bytes:
    """The body without secrets in its texts; the hub refuses what is no JSON, and keeps nothing of it."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return json.dumps(mask_texts(value, mask)).encode()
