"""What this machine holds and, for a hub whose store was restored, what it held (`core.md` D5, R20)."""

from agent.daemon.house import House
from agent.daemon.keeper import Keeper
from agent.wire.messages import Held, Stone


def held_by(house: House) -> list[Held]:
    """The table of executions as it is now."""
    return [_held(keeper) for keeper in house.keepers.values()]


def stones_of(house: House) -> list[Stone]:
    """What was here and was forgotten at the hub's word."""
    return [
        Stone(execution_id=stone.execution_id, task_id=stone.task_id, fence=stone.fence, outcome=stone.outcome)
        for stone in house.ledger.tombstones()
        if stone.task_id  # not known where its order was lost
    ]


def _held(keeper: Keeper) -> Held:
    work = keeper.order.work
    held = keeper.value.held(keeper.available)
    return held if work is None else held.model_copy(update={"build_id": work.build.build_id})
