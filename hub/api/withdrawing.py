"""Calls that take items and that nobody waits for any more (`agent/wire/withdrawn.py`)."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from agent.wire.withdrawn import WITHDRAW_HEADER
from hub.api.call import Call, Sent
from hub.services import item_returns
from hub.storage.transaction import Done, Transaction

T = TypeVar("T")


def is_withdrawn(call: Call[Any, Any]) -> bool:
    """Whether a bot's gateway says that its bot has hung up."""
    is_bots = call.caller.execution_id is not None and call.key is not None
    return is_bots and WITHDRAW_HEADER in call.request.headers


async def withdraw(
    call: Call[Any, Any], nothing: Callable[[Transaction], Done[T]], view: Callable[[T], bytes]
) -> Sent[Any]:
    """Answer the call for good, under its key, without an item: one that comes late finds this answer and takes none.

    Where it was answered before, what it took then goes back; again is no error.
    """
    sent: Sent[Any] = await call.write(nothing, view, urgent=True)
    taken = [(str(one["id"]), int(one["fence"])) for one in json.loads(sent.answered.body)["items"]]
    if taken:
        await call.hub.store.write(item_returns.give_back, call.caller, taken)
    return sent
