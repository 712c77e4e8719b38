"""Which desktop somebody may look at, and the record that they did."""

from dataclasses import dataclass

from hub.errors import Conflict, NotFound
from hub.services import runners
from hub.storage import runners as rows
from hub.storage.transaction import Done, NewEvent, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A desktop that somebody may look at."""

    runner_id: str
    runner: str
    slot: int


def find(tx: Transaction, workspace_id: str, named: str, slot: str, hub_id: str) -> Looked:
    """The desktop of a slot of a runner that is linked to this hub. Raises NotFound, Conflict."""
    runner = runners.show(tx, workspace_id, named)
    if runner.state is runners.RunnerState.REVOKED:
        raise Conflict("revoked", f"{runner.name} is revoked: nobody looks at its desktops any more.")
    if not (slot.isascii() and slot.isdigit() and len(slot) < 6 and int(slot) < runner.slots):
        has = f"slots 0 to {runner.slots - 1}" if runner.slots else "no slots"
        raise NotFound("no_slot", f"{runner.name} has {has}; there is no slot {slot[:64]!r}.", {"slot": slot[:64]})
    row = rows.get(tx, workspace_id, runner.id)
    if row is None or not runner.is_linked:
        raise Conflict("runner_away", f"{runner.name} is not connected. It shows its desktop when it is back.")
    if row.hub_id not in {None, hub_id}:
        text = f"{runner.name} is linked to another hub ({row.hub_id}), and pictures don't travel between hubs. Ask it."
        raise Conflict("other_hub", text, {"hub": row.hub_id})
    return Looked(runner_id=runner.id, runner=runner.name, slot=int(slot))


def note_view(tx: Transaction, workspace_id: str, looked: Looked, actor: str, how: str) -> Done[None]:
    """Record that somebody sees a desktop: it may show what no log does."""
    event = NewEvent(
        workspace_id=workspace_id,
        kind="runner.screen_viewed",
        subject=looked.runner_id,
        actor=actor,
        runner_id=looked.runner_id,
        data={"slot": looked.slot, "how": how},
    )
    tx.record(event)
    return Done(None)
