"""Our own small API for bots without an SDK, at ``BOTYARD_API_URL`` (`bot-packages.md` §7): one ``curl`` line a call.

Nothing here waits for the hub. What is said is masked first; a row and a result are in the spool, outputs in a synced
file, when 202 is answered; progress is only the newest word. A new call is one function here and one row in `routes`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from agent.gateway.answers import json_line
from agent.gateway.bodies import read_small
from agent.gateway.callers import calling_bot
from agent.gateway.desk import DESK
from agent.gateway.members import FieldError, Members, masked, outputs_of, progress_of, read_members, result_of, row_of
from agent.gateway.refusals import Refused
from agent.gateway_port import BotExecution
from agent.result_file import RESULT_MAX_BYTES, read_result
from agent.wire.facts import RowFact
from agent.wire.limits import OUTPUTS_MAX_BYTES, ROW_MAX_BYTES

_PROGRESS_MAX_BYTES = 16 * 1024
_ACCEPTED = 202


async def parameters(request: web.Request) -> web.Response:
    """``GET /parameters``: the task's parameters, types kept."""
    bot = await calling_bot(request, request.app[DESK].host)
    return json_line(bot.task.parameters)


async def cancelled(request: web.Request) -> web.Response:
    """``GET /cancelled``: has a stop begun (``cancelled``), and should the bot finish by itself (``interrupted``)?"""
    bot = await calling_bot(request, request.app[DESK].host)
    interrupted = bot.interrupted or bot.task.interrupted
    return json_line({"cancelled": bot.cancelled, "interrupted": interrupted})


async def secret(request: web.Request) -> web.Response:
    """``GET /secrets/{name}``: a secret of the bot's own task as plain text; as JSON where that is asked for.

    It is masked in the bot's output before it is given; where that cannot be done, 503.
    """
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    name = request.match_info["name"]
    if name not in bot.secrets:
        known = ", ".join(sorted(bot.secrets)) or "none"
        raise Refused(404, f"This task has no secret of that name; it has: {known}")
    value = bot.secrets[name]
    text = value if isinstance(value, str) else json.dumps(value)
    await desk.host.add_masks(bot.execution_id, [text])
    if "json" in request.headers.get("Accept", ""):
        return json_line({"name": name, "value": value}, headers={"Cache-Control": "no-store"})
    return web.Response(text=text, headers={"Cache-Control": "no-store"})


async def result(request: web.Request) -> web.Response:
    """``POST /result``: what the file ``BOTYARD_RESULT`` may hold, as a report; durable when this answers 202.

    The last one counts. One that names no status reports nothing: then the exit code says how it went.
    """
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    members = await _members(request, RESULT_MAX_BYTES)
    try:
        report = read_result(result_of(members), desk.clock.now(), bot.mask)
    except FieldError:
        raise
    except (ValueError, RecursionError) as error:
        raise FieldError("", f"This is no result: {error}") from None
    if report is None:
        return json_line({"status": None, "late": False}, status=_ACCEPTED)
    async with _spoken(request, bot):
        recorded = await desk.host.record_report(bot.execution_id, report)
    return json_line({"status": recorded.status, "late": recorded.late}, status=_ACCEPTED)


async def progress(request: web.Request) -> web.Response:
    """``POST /progress``: how far the bot is; the newest counts, one a second is told."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    percent, text = progress_of(await _members(request, _PROGRESS_MAX_BYTES))
    async with _spoken(request, bot):
        desk.host.note_progress(bot.execution_id, percent, text)
    return json_line({"percent": percent}, status=_ACCEPTED)


async def log_row(request: web.Request) -> web.Response:
    """``POST /log``: a row of a record log; durable when this answers 202."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    log, columns = row_of(await _members(request, ROW_MAX_BYTES))
    safe = {bot.mask(name): masked(value, bot.mask) for name, value in columns.items()}
    row = RowFact(at=desk.clock.now(), log=bot.mask(log), columns=safe)
    async with _spoken(request, bot):
        await desk.host.record_row(bot.execution_id, row)
    return json_line({"log": row.log}, status=_ACCEPTED)


async def outputs(request: web.Request) -> web.Response:
    """``POST /outputs``: outputs of the run, over those of ``BOTYARD_OUTPUT``; durable when this answers 202."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    named = outputs_of(await _members(request, OUTPUTS_MAX_BYTES))
    safe = {bot.mask(name): bot.mask(value) for name, value in named.items()}
    async with _spoken(request, bot):
        await desk.host.keep_outputs(bot.execution_id, safe)
    return json_line({"outputs": list(safe)}, status=_ACCEPTED)


async def _members(request: web.Request, limit: int) -> Members:
    return read_members(request.content_type, await read_small(request, limit))


@asynccontextmanager
async def _spoken(request: web.Request, bot: BotExecution) -> AsyncIterator[None]:
    """Keep what is said within the time that callers wait; said, it is a sign of life."""
    desk = request.app[DESK]
    try:
        async with asyncio.timeout(desk.settings.give_up_s):
            yield
    except TimeoutError:
        raise Refused(503, "The runner's disk takes nothing now; try again") from None
    except OSError as error:
        raise Refused(507, "The runner's disk has no room for this") from error
    desk.host.spoke(bot.execution_id)
