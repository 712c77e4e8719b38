"""Items that were handed out and that nobody has: they go back at once, and unspent."""

from collections.abc import Sequence

from hub.domain.access import Caller
from hub.domain.item import AttemptOutcome, Ending, ItemState
from hub.services import item_ends
from hub.storage import items as rows
from hub.storage.transaction import Done, Effect, Transaction

_WHY = "its bot hung up before it had it"


def give_back(tx: Transaction, caller: Caller, taken: Sequence[tuple[str, int]]) -> Done[int]:
    """Return the items that the caller holds under these fences (item, fence); others are left alone. How many."""
    effects: list[Effect] = []
    number = 0
    # In one order everywhere, so that two calls about the same items never wait for each other.
    for item_id, fence in sorted(taken):
        item = rows.get(tx, caller.workspace_id, item_id, lock=True)
        if item is None or item.state != ItemState.PROCESSING or item.fence != fence:
            continue
        if item.execution_id != caller.execution_id:
            continue
        number += 1
        effects += item_ends.end(tx, item, Ending(outcome=AttemptOutcome.RETURNED, message=_WHY), caller.actor)
    return Done(number, effects)
