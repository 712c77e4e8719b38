"""Files of items: attached by people, by whoever added the item, by the bot that holds it; read by all of them.

The bytes are stored, durable under their digest, before the transaction that names them: a process that dies in between
leaves bytes that no item names, and no item that names bytes which are not there. What belongs to an item goes with it
through retries, moves and copies into next queues, which share the bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.wire.paths import collision_key
from hub.domain.access import Caller
from hub.domain.item import OPEN, ItemState
from hub.domain.item_file import name_fault, names_faults, room_fault
from hub.domain.parameters import Fault
from hub.errors import Conflict, Forbidden, NotFound
from hub.services import items
from hub.services.automations import invalid
from hub.storage import item_files as rows
from hub.storage import items as item_rows
from hub.storage.blobs import Blob
from hub.storage.builds import own_blobs
from hub.storage.item_files import ItemFileRow, NewFile
from hub.storage.items import ItemRow
from hub.storage.transaction import Done, NewEvent, Transaction


def of_item(tx: Transaction, workspace_id: str, item_id: str) -> list[ItemFileRow]:
    """The files of an item by name. Raises NotFound for the item."""
    items.show(tx, workspace_id, item_id)
    return rows.of_item(tx, workspace_id, item_id)


def show(tx: Transaction, workspace_id: str, item_id: str, name: str) -> ItemFileRow:
    """A file of an item. Raises NotFound for either."""
    items.show(tx, workspace_id, item_id)
    found = rows.get(tx, workspace_id, item_id, name)
    if found is None:
        raise _no_file(name)
    return found


def check(tx: Transaction, caller: Caller, item_id: str, name: str, fence: int | None) -> Done[None]:
    """Whether `attach` would take a file of that name, before its bytes are sent. Raises as `attach` does."""
    fault = name_fault(name, "file")
    if fault is not None:
        raise invalid("file", "No file can be called so.", [fault])
    _may_change(tx, caller, item_id, fence)
    return Done(None)


def attach(  # noqa: PLR0913, PLR0917 - whose item, which bytes, under which lease
    tx: Transaction, caller: Caller, item_id: str, name: str, blob: Blob, fence: int | None
) -> Done[ItemFileRow]:
    """Give an item a stored file, which the workspace owns from now on; one of that name makes room.

    With a fence the caller holds the item: Conflict ``lease_lost`` when that is over. Without one nobody may hold it,
    and a bot must have added it itself. Raises NotFound, Forbidden, Invalid for the name or where it has too many.
    """
    check(tx, caller, item_id, name, fence)
    others = [one for one in rows.of_item(tx, caller.workspace_id, item_id) if one.name != name]
    alike = [one.name for one in others if collision_key(one.name) == collision_key(name)]
    fault = room_fault([one.size_bytes for one in others], blob.size_bytes)
    if alike:
        fault = Fault(field="file", message=f"{alike[0]!r} would be the same file on some systems", remedy="rename it")
    if fault is not None:
        raise invalid("file", "The item can't have this file.", [fault])
    own_blobs(tx, caller.workspace_id, {blob.sha256: blob.size_bytes})
    rows.put(tx, caller.workspace_id, item_id, NewFile(name=name, sha256=blob.sha256, size_bytes=blob.size_bytes))
    data = {"name": name, "sha256": blob.sha256, "size_bytes": blob.size_bytes, "fence": fence}
    _record(tx, caller, "item.file_attached", item_id, data)
    return Done(show(tx, caller.workspace_id, item_id, name))


def remove(tx: Transaction, caller: Caller, item_id: str, name: str) -> Done[ItemFileRow]:
    """Take a file from an item that nobody holds; what it was. Raises as `attach` does, NotFound for the file."""
    _may_change(tx, caller, item_id, None)
    known = show(tx, caller.workspace_id, item_id, name)
    rows.remove(tx, caller.workspace_id, item_id, name)
    _record(tx, caller, "item.file_removed", item_id, {"name": name, "sha256": known.sha256})
    return Done(known)


def own(tx: Transaction, caller: Caller, blob: Blob) -> Done[Blob]:
    """The workspace owns these bytes: an item that is added later may name them."""
    own_blobs(tx, caller.workspace_id, {blob.sha256: blob.size_bytes})
    return Done(blob)


def sizes_of(tx: Transaction, workspace_id: str, digests: Sequence[str]) -> Mapping[str, int]:
    """Sizes of those bytes, of these, that the workspace owns; of many items at once."""
    return rows.owned(tx, workspace_id, digests) if digests else {}


def faults_of(files: Sequence[tuple[str, str]], known: Mapping[str, int]) -> list[Fault]:
    """What is wrong with the files (name, sha256) of an item that is asked for, all at once."""
    faults = names_faults([name for name, _ in files], "files")
    for index, (_, sha256) in enumerate(files):
        if sha256 not in known:
            text = "these bytes are not here"
            faults.append(Fault(field=f"files.{index}.sha256", message=text, remedy="send them first: POST /files"))
    room = room_fault([], sum(known.get(sha256, 0) for _, sha256 in files))
    return [*faults, room] if room else faults


def _may_change(tx: Transaction, caller: Caller, item_id: str, fence: int | None) -> ItemRow:
    """The item, locked, if the caller may change its files now."""
    if fence is not None:
        return items.held_by(tx, caller, item_id, fence)
    item = item_rows.get(tx, caller.workspace_id, item_id, lock=True)
    if item is None or item.state == ItemState.STAGED:
        raise items.no_item(item_id)
    if item.state == ItemState.PROCESSING:
        text = "A bot has this item now: its files are changed under its lease (fence), or when it is back."
        raise Conflict("item_state", text, {"state": item.state})
    if caller.execution_id is not None and (item.created_by != caller.actor or item.state not in OPEN):
        raise Forbidden("not_yours", "A bot attaches files to items that it holds (fence), or added and nobody took.")
    return item


def _no_file(name: str) -> NotFound:
    return NotFound("no_file", f"The item has no file {name[:64]!r}. `botyard item files ITEM` lists them.")


def _record(tx: Transaction, caller: Caller, kind: str, item_id: str, data: Mapping[str, Any]) -> None:
    event = NewEvent(
        workspace_id=caller.workspace_id,
        kind=kind,
        subject=item_id,
        actor=caller.actor,
        execution_id=caller.execution_id,
        data=data,
    )
    tx.record(event)
