"""Our own small API for bots without an SDK, at ``BOTYARD_API_URL`` (`bot-packages.md` §7): one ``curl`` line a call.

A new call is one function here and one row in `routes`.
"""

from aiohttp import web

from agent.gateway.bodies import read_small
from agent.gateway.callers import calling_bot
from agent.gateway.desk import DESK
from agent.gateway.refusals import Refused
from agent.result_file import RESULT_MAX_BYTES, read_result


async def parameters(request: web.Request) -> web.Response:
    """``GET /parameters``: the task's parameters, types kept."""
    bot = await calling_bot(request, request.app[DESK].host)
    return web.json_response(bot.task.parameters)


async def cancelled(request: web.Request) -> web.Response:
    """``GET /cancelled``: whether the bot has been asked to stop."""
    bot = await calling_bot(request, request.app[DESK].host)
    return web.json_response({"cancelled": bot.interrupted})


async def result(request: web.Request) -> web.Response:
    """``POST /result``: what the file ``BOTYARD_RESULT`` may hold, as a report; durable when this answers 202.

    The last one counts. One that names no status reports nothing: then the exit code says how it went.
    """
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    body = await read_small(request, RESULT_MAX_BYTES)
    try:
        report = read_result(body, desk.clock.now(), bot.mask)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"This is no result: {error}") from None
    if report is None:
        return web.json_response({"status": None, "late": False}, status=202)
    recorded = await desk.host.record_report(bot.execution_id, report)
    return web.json_response({"status": recorded.status, "late": recorded.late}, status=202)
