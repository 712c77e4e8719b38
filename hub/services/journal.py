"""The journal of side effects as bots and people use it: intent, outcome, what is not known (hub.domain.journal)."""

from dataclasses import dataclass, replace
from typing import Any

from hub.domain.access import Caller
from hub.domain.item import ItemState
from hub.domain.journal import KEY_MAX, Answer, EffectState, Known, ask, is_name, may_settle
from hub.domain.parameters import Fault
from hub.errors import Conflict, Forbidden, NotFound
from hub.services import items
from hub.services.automations import invalid
from hub.storage import items as item_rows
from hub.storage import side_effects as rows
from hub.storage.side_effects import SideEffectRow
from hub.storage.transaction import Done, NewEvent, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a bot is told of a key."""

    answer: Answer
    effect: SideEffectRow


def intend(tx: Transaction, caller: Caller, item_id: str, key: str, fence: int) -> Done[Asked]:
    """Ask for leave to do it: `go` is written down as intent before it is answered. Raises as `items.complete` does."""
    _check_name(key)
    items.held_by(tx, caller, item_id, fence)
    known = rows.get(tx, caller.workspace_id, item_id, key)
    answer = ask(_known(known), fence)
    if answer is not Answer.GO:
        assert known is not None
        return Done(Asked(answer=answer, effect=known))
    intended = SideEffectRow(
        effect_key=key,
        state=EffectState.INTENDED,
        fence=fence,
        result=None,
        message=None,
        actor=caller.actor,
        intended_at=known.intended_at if known else tx.now,
        settled_at=None,
    )
    _write(tx, caller, item_id, intended, is_new=known is None)
    return Done(Asked(answer=answer, effect=intended))


def settle(  # noqa: PLR0913 - what is said of an effect
    tx: Transaction,
    caller: Caller,
    item_id: str,
    key: str,
    outcome: EffectState,
    *,
    fence: int | None = None,
    result: Any = None,
    message: str | None = None,
) -> Done[SideEffectRow]:
    """Say how it went: the holder under its fence, or a person (without one) for an item that nobody holds.

    Raises NotFound for a key that nobody intended, Conflict to say that what was done was not.
    """
    _check_name(key)
    if fence is None:
        _by_person(tx, caller, item_id)
    else:
        items.held_by(tx, caller, item_id, fence)
    known = rows.get(tx, caller.workspace_id, item_id, key)
    if known is None:
        raise NotFound("no_effect", f"Nobody intended {key[:64]!r} on this item: ask first (POST without outcome).")
    if not may_settle(_known(known), outcome):
        raise Conflict("effect_done", f"{key[:64]!r} was done; that can't be taken back.")
    if known.state == outcome:
        return Done(known)
    settled = replace(
        known,
        state=outcome,
        fence=known.fence if fence is None else fence,
        result=result,
        message=message,
        actor=caller.actor,
        settled_at=tx.now,
    )
    _write(tx, caller, item_id, settled, is_new=False)
    return Done(settled)


def of_item(tx: Transaction, workspace_id: str, item_id: str) -> list[SideEffectRow]:
    """What is known of all effects of an item, oldest first. Raises NotFound."""
    items.show(tx, workspace_id, item_id)
    return rows.of_item(tx, workspace_id, item_id)


def _check_name(key: str) -> None:
    if not is_name(key):
        fault = Fault(field="effect", message=f"{len(key)} characters", remedy=f"1 to {KEY_MAX} that can be shown")
        raise invalid("effect", "An effect can't be called so.", [fault])


def _by_person(tx: Transaction, caller: Caller, item_id: str) -> None:
    if caller.execution_id is not None:
        raise Forbidden("fence", "A bot names the fence under which it holds the item.")
    item = item_rows.get(tx, caller.workspace_id, item_id, lock=True)
    if item is None:
        raise items.no_item(item_id)
    if item.state == ItemState.PROCESSING:
        raise Conflict("item_state", "The item is in work: its bot speaks for it until its lease ends.")


def _known(row: SideEffectRow | None) -> Known | None:
    return None if row is None else Known(state=EffectState(row.state), fence=row.fence)


def _write(tx: Transaction, caller: Caller, item_id: str, row: SideEffectRow, *, is_new: bool) -> None:
    write = rows.insert if is_new else rows.change
    if not write(tx, caller.workspace_id, item_id, row):
        raise RuntimeError(f"the journal of {item_id} changed under its item's lock")
    tx.record(
        NewEvent(
            workspace_id=caller.workspace_id,
            kind=f"effect.{row.state}",
            subject=item_id,
            actor=caller.actor,
            execution_id=caller.execution_id,
            data={"key": row.effect_key, "fence": row.fence},
        )
    )
