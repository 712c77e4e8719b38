"""The journal of side effects: one row a key of an item, moved by guarded statements."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import side_effects
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffectRow:
    """What is known of one effect."""

    effect_key: str
    state: str
    fence: int
    """The attempt that spoke last."""
    result: Any
    message: str | None
    actor: str
    intended_at: datetime
    settled_at: datetime | None


_OF_ITEM = (side_effects.c.workspace_id == sa.bindparam("workspace")) & (side_effects.c.item_id == sa.bindparam("item"))
_HERE = _OF_ITEM & (side_effects.c.effect_key == sa.bindparam("named"))
_ROW = sa.select(*(side_effects.c[name] for name in SideEffectRow.__slots__))
_GET = Direct(_ROW.where(_HERE))
_ALL = _ROW.where(_OF_ITEM).order_by(side_effects.c.intended_at, side_effects.c.effect_key)
_INSERT = {
    "sqlite": sqlite.insert(side_effects).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(side_effects).on_conflict_do_nothing(),
}
_TIME = side_effects.c.intended_at.type
_CHANGE = Direct(
    sa.update(side_effects)
    .where(_HERE)
    .values(
        state=sa.bindparam("new_state"),
        fence=sa.bindparam("new_fence"),
        result=sa.bindparam("new_result", type_=side_effects.c.result.type),
        message=sa.bindparam("new_message", type_=side_effects.c.message.type),
        actor=sa.bindparam("new_actor"),
        settled_at=sa.bindparam("new_settled_at", type_=_TIME),
    )
)


def get(tx: Transaction, workspace_id: str, item_id: str, key: str) -> SideEffectRow | None:
    """What is known of an effect; the item's lock guards it."""
    row = _GET.one(tx, {"workspace": workspace_id, "item": item_id, "named": key})
    return None if row is None else SideEffectRow(**row)


def of_item(tx: Transaction, workspace_id: str, item_id: str) -> list[SideEffectRow]:
    """Every effect of an item, oldest first."""
    rows = tx.connection.execute(_ALL, {"workspace": workspace_id, "item": item_id}).mappings()
    return [SideEffectRow(**row) for row in rows]


def insert(tx: Transaction, workspace_id: str, item_id: str, row: SideEffectRow) -> bool:
    """Note a new effect; False when the key is there."""
    values = {name: getattr(row, name) for name in SideEffectRow.__slots__}
    values |= {"workspace_id": workspace_id, "item_id": item_id}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], values).rowcount == 1


def change(tx: Transaction, workspace_id: str, item_id: str, row: SideEffectRow) -> bool:
    """Set what is known of an effect now; the moment of its first intent stays."""
    named = {"workspace": workspace_id, "item": item_id, "named": row.effect_key}
    told = ("state", "fence", "result", "message", "actor", "settled_at")
    return _CHANGE.run(tx, {**named, **{f"new_{name}": getattr(row, name) for name in told}}) == 1
