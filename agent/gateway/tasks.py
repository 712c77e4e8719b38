"""BotCity's calls about tasks: the bot's own are answered here, others by the hub (`maestro.md` §3.2, `core.md` §6).

A finish is a fact: validated, masked, durable in the spool, and answered at once with the whole task. Every later look
of this bot at its own task shows it finished, whatever the hub knows by then.
"""

import json
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from agent.gateway.bodies import read_small
from agent.gateway.callers import calling_bot, is_hub_token, token_of
from agent.gateway.desk import DESK
from agent.gateway.forwarding import EXECUTION_HEADER, forward, forward_any
from agent.gateway.refusals import Refused
from agent.gateway.upstream import Call
from agent.gateway_port import BotExecution
from agent.wire.facts import ReportFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.maestro import AFTER_FACT, TaskUpdate, date_text, task_object
from agent.wire.maestro_answers import MAESTRO_VERSION, first_fault, json_object, task_number

_REPORTED = ("state", "finishStatus", "finishMessage", "totalItems", "processedItems", "failedItems")


async def version(_request: web.Request) -> web.Response:
    """``GET /maestro/version``: open, and answered here, since an SDK without it stops at its first line (§3.1)."""
    return web.json_response({"version": MAESTRO_VERSION})


async def look(request: web.Request) -> web.StreamResponse:
    """``GET /task/{id}``: the own task from the hub or from here, any other from the hub."""
    if is_hub_token(token_of(request)):
        return await forward_any(request)
    bot = await calling_bot(request, request.app[DESK].host)
    if not _is_own(request, bot):
        return await forward(request, bot)
    seen = await _seen_by_hub(request, bot)
    return web.json_response(own_task(bot) if seen is None else _overlaid(seen, bot))


async def update(request: web.Request) -> web.StreamResponse:
    """``POST /task/{id}``: a finish of the own task stays here, everything else is the hub's."""
    return await _write(request, always_finish=False)


async def finish(request: web.Request) -> web.StreamResponse:
    """``POST /task/{id}/finish``: the same, and an empty body means success."""
    return await _write(request, always_finish=True)


async def _write(request: web.Request, *, always_finish: bool) -> web.StreamResponse:
    if is_hub_token(token_of(request)):
        return await forward_any(request)
    bot = await calling_bot(request, request.app[DESK].host)
    if not _is_own(request, bot):
        return await forward(request, bot)
    body = await read_small(request)
    wanted = _parsed(body)
    if not (always_finish or wanted.is_finish):
        return await forward(request, bot, body)
    report = _report(request, bot, wanted)
    try:
        recorded = await record(request, bot, report)
    except OSError:
        return await _finish_at_hub(request, bot, body, report)
    return web.json_response(own_task(bot, recorded))


async def _finish_at_hub(
    request: web.Request, bot: BotExecution, body: bytes, report: ReportFact
) -> web.StreamResponse:
    """The spool is full: the finish goes to the hub, and the answer is the hub's (`core.md` §3).

    It says which fact it comes after: those that are still on their way to the hub must not overtake it.
    """
    if bot.reaped:
        raise Refused(507, "The runner's disk has no room for a report that comes after the bot's end")
    said = json_object(body) | {AFTER_FACT: bot.last_fact}
    try:
        answer = await forward(request, bot, json.dumps(said).encode())
    except Refused as refused:
        if refused.status != 503:
            raise
        text = "The runner's disk has no room for the report, and the hub cannot be reached now; try again"
        raise Refused(503, text) from None
    if answer.status < 300:
        await request.app[DESK].host.reported_to_hub(bot.execution_id, report)
    return answer


def _report(request: web.Request, bot: BotExecution, wanted: TaskUpdate) -> ReportFact:
    """Without secrets, and cut only after they are out."""
    message = None if wanted.finish_message is None else bot.mask(wanted.finish_message)[:MESSAGE_TEXT_MAX]
    now = request.app[DESK].clock.now()
    return ReportFact(at=now, status=wanted.status, message=message, totals=wanted.totals, late=bot.reaped)


async def record(request: web.Request, bot: BotExecution, report: ReportFact) -> ReportFact:
    """Make the report durable."""
    desk = request.app[DESK]
    recorded = await desk.host.record_report(bot.execution_id, report)
    desk.host.spoke(bot.execution_id)
    return recorded


def own_task(bot: BotExecution, recorded: ReportFact | None = None) -> dict[str, Any]:
    """The bot's own task as it is known here: the order's snapshot, the last report that counts, the flag."""
    report = bot.report if recorded is None or recorded.late else recorded
    known: dict[str, Any] = {"interrupted": bot.task.interrupted or bot.interrupted}
    if report is not None:
        known |= {"status": report.status, "message": report.message, "totals": report.totals, "updated_at": report.at}
    return task_object(bot.task.model_copy(update=known))


def _overlaid(seen: dict[str, Any], bot: BotExecution) -> dict[str, Any]:
    """The hub's view with what only we may know yet laid over it."""
    merged = seen | {"interrupted": bool(seen.get("interrupted")) or bot.interrupted}
    report = bot.report
    if report is not None:
        own = own_task(bot)
        merged |= {name: own[name] for name in _REPORTED}
        merged["dateLastModified"] = max(str(seen.get("dateLastModified") or ""), date_text(report.at) or "")
    return merged


async def _seen_by_hub(request: web.Request, bot: BotExecution) -> dict[str, Any] | None:
    """The hub's task object; None where it cannot be had soon: bots ask once an item and must not wait."""
    desk = request.app[DESK]
    call = Call(method="GET", target=request.raw_path, headers={EXECUTION_HEADER: bot.execution_id})
    answer = await desk.upstream.glance(call, desk.settings.look_s)
    if answer is None or answer.status != 200 or answer.rest is not None:
        if answer is not None:
            answer.drop()
        return None
    try:
        seen = json.loads(answer.beginning)
    except ValueError:
        return None
    return seen if isinstance(seen, dict) and seen.get("id") == bot.task.number else None


def _is_own(request: web.Request, bot: BotExecution) -> bool:
    """A bot's token always means its own round of its own number (`core.md` §4)."""
    number = task_number(request.match_info["id"])
    if number is None:
        raise Refused(404, "There is no such task")
    return number == bot.task.number


def _parsed(body: bytes) -> TaskUpdate:
    try:
        return TaskUpdate.model_validate(json_object(body))
    except ValidationError as error:
        raise Refused(400, first_fault(error)) from None
    except ValueError as error:
        raise Refused(400, str(error)) from None
