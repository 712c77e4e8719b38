"""Named resources: licences, accounts, sessions of an application, of which there is only so much."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.wire.names import LABEL
from hub.domain.access import Caller
from hub.domain.demand import ACCOUNTS_MAX, UNITS_MAX, Sharing, resource_key
from hub.domain.parameters import Fault
from hub.errors import Conflict, Invalid, NotFound
from hub.services.effects import WakeDispatch
from hub.services.holds import stock_of
from hub.storage import holds
from hub.storage import resources as rows
from hub.storage.holds import Holder
from hub.storage.resources import ResourceRow, WaiterRow
from hub.storage.transaction import Done, NewEvent, Transaction

SHOWN = 100
"""Holders and waiting tasks that are shown at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A resource as it is asked for: so many units, or one for each account."""

    label: str
    name: str = ""
    description: str = ""
    capacity: int | None = None
    accounts: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource with who holds it and who waits for it."""

    id: str
    label: str
    name: str
    description: str
    capacity: int
    accounts: tuple[str, ...] | None
    used: int
    holders: tuple[Holder, ...]
    waiting: tuple[WaiterRow, ...]
    users: tuple[str, ...]
    """Labels of the automations whose tasks hold it."""
    created_at: datetime
    updated_at: datetime


def show(tx: Transaction, workspace_id: str, label: str) -> Resource:
    """The resource of that label. Raises NotFound."""
    return _whole(tx, workspace_id, row_of(tx, workspace_id, label))


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Resource]:
    """Resources in order of label, those behind the label `after`."""
    return [_whole(tx, workspace_id, row) for row in rows.page(tx, workspace_id, after, limit)]


def row_of(tx: Transaction, workspace_id: str, label: str) -> ResourceRow:
    """The resource of that label, without looking at who holds it. Raises NotFound."""
    row = rows.by_label(tx, workspace_id, label)
    if row is None:
        raise _missing(label)
    return row


def rows_behind(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[ResourceRow]:
    """As `page`, without looking at who holds them."""
    return rows.page(tx, workspace_id, after, limit)


def create(tx: Transaction, caller: Caller, new: Wanted) -> Done[Resource]:
    """Define a resource. Raises Invalid with every fault, Conflict for a used label."""
    _check(new)
    values = {"label": new.label, **_values(new)}
    if not rows.insert(tx, caller.workspace_id, values):
        raise Conflict("label_used", f"There is a resource {new.label!r} already. Edit it, or take another label.")
    return _changed(tx, caller, "resource.created", new.label)


def edit(tx: Transaction, caller: Caller, label: str, changes: Mapping[str, Any]) -> Done[Resource]:
    """Change the named members. What is held above a lower capacity stays held; nobody new gets any.

    Raises as `create` does, and NotFound.
    """
    known = row_of(tx, caller.workspace_id, label)
    if changes.get("capacity") is not None:
        changes = {"accounts": None, **changes}
    old = Wanted(
        label=known.label,
        name=known.name,
        description=known.description,
        capacity=None if known.accounts is not None else known.capacity,
        accounts=known.accounts,
    )
    if changes.get("accounts") is not None:
        changes = {"capacity": None, **changes}
    changed = dataclasses.replace(old, **changes)
    _check(changed)
    _check_users(tx, caller.workspace_id, changed)
    if not rows.update(tx, caller.workspace_id, label, _values(changed)):
        raise _missing(label)
    return _changed(tx, caller, "resource.edited", label)


def delete(tx: Transaction, caller: Caller, label: str) -> Done[Resource]:
    """Remove a resource that nothing uses; what it was is returned. Raises NotFound, Conflict while it is used."""
    known = show(tx, caller.workspace_id, label)
    if known.users:
        named = ", ".join(known.users[:5])
        told = f"{label} is used by {named}. Take it off there first: botyard automation edit {known.users[0]} --use"
        raise Conflict("resource_used", f"{told} none, or with the others that it uses.")
    if known.holders:
        numbers = ", ".join(str(one.number) for one in known.holders[:5])
        raise Conflict("resource_held", f"{label} is held by task {numbers}. Try again when that has ended.")
    if not rows.delete(tx, caller.workspace_id, label):
        raise _missing(label)
    _record(tx, caller, "resource.deleted", known)
    return Done(known)


def faults_of(tx: Transaction, workspace_id: str, sharing: Sharing) -> list[Fault]:
    """What is wrong with the resources that an automation uses: none of that label, or never so many units."""
    found = []
    for label, units in sorted(sharing.uses.items()):
        row = rows.by_label(tx, workspace_id, label)
        where = f"uses.{label[:64]}"
        if row is None:
            remedy = f"botyard resource create {label[:64]} --capacity {max(units, 1)}"
            found.append(Fault(field=where, message="there is no such resource", remedy=remedy))
        elif row.accounts is not None and units > 1:
            remedy = "use 1: a task gets one of its accounts"
            found.append(Fault(field=where, message=f"{units} accounts for one task", remedy=remedy))
        elif units > row.capacity > 0:
            remedy = f"at most {row.capacity}, or botyard resource edit {label} --capacity {units}"
            found.append(Fault(field=where, message=f"{units} of {row.capacity} can never be had", remedy=remedy))
    return found


def _check(new: Wanted) -> None:
    found: list[Fault] = []
    if not LABEL.match(new.label):
        remedy = "begin with a letter or digit, then letters, digits, _ . or -, 128 in all"
        found.append(Fault(field="label", message=f"{new.label[:64]!r} is no label", remedy=remedy))
    if (new.capacity is None) == (new.accounts is None):
        remedy = "give capacity, or accounts: then there is one for each"
        message = "neither capacity nor accounts" if new.capacity is None else "both capacity and accounts"
        found.append(Fault(field="capacity", message=message, remedy=remedy))
    if new.capacity is not None and not 0 <= new.capacity <= UNITS_MAX:
        remedy = f"0 to {UNITS_MAX}; 0 lets nobody begin"
        found.append(Fault(field="capacity", message=f"{new.capacity} is out of range", remedy=remedy))
    found += _account_faults(new.accounts or ())
    if found:
        raise Invalid("resource", "The resource can't be so.", {"errors": [one.as_json() for one in found]})


def _account_faults(accounts: Sequence[str]) -> list[Fault]:
    found = []
    if len(accounts) > ACCOUNTS_MAX:
        found.append(Fault(field="accounts", message=f"more than {ACCOUNTS_MAX}", remedy="give fewer"))
    for number, account in enumerate(accounts):
        where = f"accounts.{number}"
        if not 1 <= len(account) <= 128 or not account.isprintable():
            found.append(Fault(field=where, message="is no account's name", remedy="1 to 128 printable characters"))
        elif account in accounts[:number]:
            found.append(Fault(field=where, message=f"{account!r} comes twice", remedy="name each account once"))
    return found


def _check_users(tx: Transaction, workspace_id: str, changed: Wanted) -> None:
    """Accounts are given one a task; an automation that takes several units can't be served by them."""
    if changed.accounts is None:
        return
    many = [name for _, name, units in rows.users(tx, workspace_id, changed.label) if units > 1]
    if many:
        fault = Fault(field="accounts", message=f"{many[0]} uses several units", remedy="let it use 1 first")
        raise Invalid("resource", "The resource can't be so.", {"errors": [fault.as_json()]})


def _values(new: Wanted) -> dict[str, Any]:
    return {
        "name": new.name or new.label,
        "description": new.description,
        "capacity": len(new.accounts) if new.accounts is not None else new.capacity,
        "accounts": None if new.accounts is None else list(new.accounts),
    }


def _missing(label: str) -> NotFound:
    told = f"There is no resource {label[:128]!r} here. `botyard resource list` shows all."
    return NotFound("no_resource", told, {"name": label[:128]})


def _whole(tx: Transaction, workspace_id: str, row: ResourceRow) -> Resource:
    limit_key = resource_key(row.label)
    users = rows.users(tx, workspace_id, row.label)
    return Resource(
        id=row.id,
        label=row.label,
        name=row.name,
        description=row.description,
        capacity=row.capacity,
        accounts=None if row.accounts is None else tuple(row.accounts),
        used=stock_of(row, holds.held(tx, workspace_id, limit_key)).used,
        holders=tuple(holds.holders(tx, workspace_id, limit_key, SHOWN)),
        waiting=tuple(rows.waiters(tx, workspace_id, [one for one, _, _ in users], SHOWN)),
        users=tuple(name for _, name, _ in users),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _changed(tx: Transaction, caller: Caller, kind: str, label: str) -> Done[Resource]:
    now = show(tx, caller.workspace_id, label)
    _record(tx, caller, kind, now)
    return Done(now, [WakeDispatch(workspace_id=caller.workspace_id)])


def _record(tx: Transaction, caller: Caller, kind: str, one: Resource) -> None:
    data = {"label": one.label, "capacity": one.capacity, "accounts": list(one.accounts or ())}
    tx.record(
        NewEvent(
            workspace_id=caller.workspace_id,
            kind=kind,
            subject=one.id,
            actor=caller.actor,
            cause="api",
            data=data,
        )
    )
