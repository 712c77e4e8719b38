"""Tasks (`maestro.md` §3.2): a number is the newest round, but a bot's own round to that bot."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from agent.wire.maestro import STATE_WORDS, TaskUpdate
from agent.wire.maestro_answers import first_fault
from hub.domain.access import Caller
from hub.domain.credits import Credit
from hub.domain.task import TaskView
from hub.maestro.call import Call, answer
from hub.maestro.errors import Refused
from hub.maestro.pages import page_object, page_request
from hub.maestro.task_shape import shape
from hub.services import automations, numbered, tasks
from hub.services.effects import ReturnCredit
from hub.services.tasks import NewTask
from hub.storage.task_numbers import NumberFilter, Order
from hub.storage.transaction import Done, Transaction


async def create(call: Call) -> web.Response:
    """``POST /task``: the SDKs' body, or maestro-client's with ``automationLabel`` and ``data``."""
    new = new_task(call.members(), call.caller)
    credit = await _credit(call, new)
    return await call.write(
        lambda tx: tasks.create(tx, new, credit),
        partial(shape, caller=call.caller),
        urgent=True,
        unused=() if credit is None else (ReturnCredit(credit=credit),),
    )


async def show(call: Call) -> web.Response:
    """``GET /task/{id}``; bots ask once an item."""
    number = call.number()
    task = await call.read(lambda tx: numbered.find(tx, call.caller, number))
    return answer(shape(task, call.caller))


async def update(call: Call) -> web.Response:
    """``POST /task/{id}``: what the body says; the whole task after the change."""
    number, wanted = call.number(), _update(call)
    return await _change(call, lambda tx: numbered.update(tx, call.caller, number, wanted))


async def finish(call: Call) -> web.Response:
    """``POST /task/{id}/finish``: an empty body means success."""
    number, report = call.number(), _update(call)
    return await _change(call, lambda tx: numbered.finish(tx, call.caller, number, report))


async def cancel(call: Call) -> web.Response:
    """``POST /task/{id}/cancel``."""
    number = call.number()
    return await _change(call, lambda tx: numbered.cancel(tx, call.caller, number))


async def restart(call: Call) -> web.Response:
    """``POST /task/{id}/restart``."""
    number = call.number()
    return await _change(call, lambda tx: numbered.restart(tx, call.caller, number))


async def page(call: Call) -> web.Response:
    """``GET /task``: one row a number, newest first unless ``sort`` says otherwise."""
    asked = page_request(call.query)
    wanted = NumberFilter(
        state=_state(call.query.get("stateFilter")),
        automation=call.query.get("activityLabel") or None,
        runner=call.query.get("machineId") or None,
        created_after=asked.since(call.hub.clock.now()),
        order=_ORDERS.get(asked.sort, Order.CREATED),
        descending=asked.descending or asked.sort not in _ORDERS,
        offset=asked.offset,
        limit=asked.size,
    )
    found = await call.read(lambda tx: numbered.page(tx, call.caller.workspace_id, wanted))
    return answer(page_object([shape(task, call.caller) for task in found.tasks], found.total, asked))


def new_task(members: Mapping[str, Any], caller: Caller) -> NewTask:
    """What ``POST /task`` asks for. Raises Refused 400."""
    label = next((members[name] for name in _LABELS if members.get(name)), None)
    if not isinstance(label, str):
        raise Refused(400, "activityLabel must name an automation")
    asked = _unwrapped(members)
    return NewTask(
        workspace_id=caller.workspace_id,
        automation=label,
        parameters=_parameters(asked),
        priority=_priority(asked.get("priority")),
        not_before=_moment(asked.get("minExecutionDate")),
        test=asked.get("test") is True,
        actor=caller.actor,
    )


_LABELS = ("activityLabel", "automationLabel", "AutomationLabel")
_ORDERS = {
    "id": Order.CREATED,
    "dateCreation": Order.CREATED,
    "dateLastModified": Order.CHANGED,
    "dateStartRunning": Order.STARTED,
    "priority": Order.PRIORITY,
}


def _unwrapped(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """maestro-client puts everything into ``data``: members like the SDKs', or just the parameters."""
    data = members.get("data")
    if "activityLabel" in members or not isinstance(data, dict):
        return members
    return data if isinstance(data.get("parameters"), dict) else {"parameters": data}


def _parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    given = asked.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused(400, "parameters must be an object")
    return given


def _priority(given: object) -> int | None:
    """As sent; None, the automation's, where nothing was."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | str) or str(given) not in _PRIORITIES:
        raise Refused(400, "priority must be an integer from 0 to 10")
    return int(given)


_PRIORITIES = frozenset(map(str, range(11)))


def _moment(given: object) -> datetime | None:
    """An ISO date; one without an offset means UTC (§1.5)."""
    if given is None or given == "":
        return None
    try:
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(400, "minExecutionDate must be an ISO-8601 date and time") from None


def _state(given: str | None) -> str | None:
    """A state as a word or as an ordinal; None for all, and for what is neither."""
    if not given:
        return None
    if given.isdecimal() and int(given) < len(STATE_WORDS):
        return STATE_WORDS[int(given)]
    return given.upper() if given.upper() in STATE_WORDS else None


def _update(call: Call) -> TaskUpdate:
    try:
        return TaskUpdate.model_validate(call.members())
    except ValidationError as error:
        raise Refused(400, first_fault(error)) from None


async def _change(call: Call, use_case: Callable[[Transaction], Done[TaskView]]) -> web.Response:
    return await call.write(use_case, partial(shape, caller=call.caller), urgent=True)


async def _credit(call: Call, new: NewTask) -> Credit | None:
    """A free slot for the task, taken before its transaction (`core.md` D4). Raises NotFound for the automation."""
    automation = await call.read(lambda tx: automations.show(tx, new.workspace_id, new.automation))
    if automation.released_build_id is None or new.not_before is not None:
        return None
    needs, build_id = automation.definition.all_needs, automation.released_build_id
    return call.hub.book.take(new.workspace_id, needs, build_id, bot_id=automation.bot_id)
