"""Our own small API for bots without an SDK, at ``BOTYARD_API_URL`` (`bot-packages.md` §7): one ``curl`` line a call.

A new call is one function here and one row in `routes`.
"""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.gateway.bodies import read_small
from agent.gateway.callers import calling_bot
from agent.gateway.desk import DESK
from agent.gateway.refusals import Refused
from agent.wire.facts import ReportFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.maestro_answers import first_fault, json_object
from agent.wire.task import Totals
from agent.wire.words import ReportStatus


class ErrorOfBot(BaseModel):
    """What went wrong, in the bot's own words."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["business", "application"] = "application"
    code: str = ""
    message: str = ""


class BotResult(BaseModel):
    """A result without an SDK: the body of ``POST /result``, and the file ``BOTYARD_RESULT``; every member optional."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Annotated[ReportStatus, Field(strict=False)] | None = None
    message: str | None = None
    totals: Totals | None = None
    error: ErrorOfBot | None = None

    @property
    def reported(self) -> ReportStatus:
        """The status named, else what an error or its absence says."""
        if self.status is not None:
            return self.status
        return ReportStatus.SUCCEEDED if self.error is None else ReportStatus.FAILED

    @property
    def text(self) -> str | None:
        """The message, else the error's."""
        if self.message is None and self.error is not None:
            return ": ".join(part for part in (self.error.code, self.error.message) if part) or None
        return self.message


async def parameters(request: web.Request) -> web.Response:
    """``GET /parameters``: the task's parameters, types kept."""
    bot = await calling_bot(request, request.app[DESK].host)
    return web.json_response(bot.task.parameters)


async def cancelled(request: web.Request) -> web.Response:
    """``GET /cancelled``: whether the bot has been asked to stop."""
    bot = await calling_bot(request, request.app[DESK].host)
    return web.json_response({"cancelled": bot.interrupted})


async def result(request: web.Request) -> web.Response:
    """``POST /result``: the bot's report, durable when this answers 202; the last one counts."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    try:
        said = BotResult.model_validate(json_object(await read_small(request)))
    except ValidationError as error:
        raise Refused(400, first_fault(error)) from None
    except ValueError as error:
        raise Refused(400, str(error)) from None
    message = None if said.text is None else bot.mask(said.text)[:MESSAGE_TEXT_MAX]
    report = ReportFact(
        at=desk.clock.now(), status=said.reported, message=message, totals=said.totals, late=bot.reaped
    )
    recorded = await desk.host.record_report(bot.execution_id, report)
    return web.json_response({"status": recorded.status, "late": recorded.late}, status=202)
