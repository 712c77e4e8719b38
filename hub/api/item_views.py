"""Items as clients send and see them."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, AwareDatetime, Field, JsonValue

from hub.api.breaker_views import HeldBy
from hub.api.call import Strict, View
from hub.domain.item import NO_DEADLINE, ErrorClass, ItemState
from hub.domain.item_file import FILES_MAX
from hub.services.item_adding import NewItem as Wanted
from hub.storage.item_files import ItemFileRow
from hub.storage.item_pages import AttemptRow
from hub.storage.items import ItemRow
from hub.storage.side_effects import SideEffectRow

Priority = Annotated[int, Field(ge=0, le=10, description="10 first.")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$")]
YEAR_MAX = 9000
INTEGER_MAX = 2**63 - 1


def _kept(value: JsonValue) -> JsonValue:
    """The value, if it comes back from a database as it went in. Raises ValueError for what would not."""
    match value:
        case bool() | str() | None:
            pass
        case int():
            if abs(value) > INTEGER_MAX:
                raise ValueError(f"an integer has at most 64 bits; send {str(value)[:20]}… as text")
        case float():
            if not math.isfinite(value):
                raise ValueError("a number is finite")
        case list() | dict():
            for one in value if isinstance(value, list) else value.values():
                if type(one) is not str:
                    _kept(one)
    return value


def _bounded(moment: datetime) -> datetime:
    if moment.year > YEAR_MAX:
        raise ValueError(f"a moment lies before the year {YEAR_MAX}")
    return moment


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text has no NUL character")
    return text


# What comes as JSON is a JSON value: pydantic's own type asks for the kind of each in Python, once more.
Kept = Annotated[Any, AfterValidator(_kept)]
Payload = Annotated[dict[str, Any], AfterValidator(_kept)]
Plain = Annotated[str, AfterValidator(_plain)]
Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_bounded)]
Fence = Annotated[int, Field(ge=1, description="The lease under which the item is held, as taking it gave it.")]
Class = Annotated[ErrorClass, Field(strict=False, description="business: not tried again; system: tried elsewhere.")]


class NewFile(Strict):
    """A file of an item that is asked for; its bytes are here already."""

    name: str = Field(max_length=255)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="As `POST /files` answered.")


class NewItem(Strict):
    """An item that is asked for."""

    payload: Payload
    priority: Priority = 5
    reference: Plain | None = Field(default=None, min_length=1, max_length=200, description="What people call it.")
    not_before: Moment | None = None
    deadline: Moment | None = Field(default=None, description="Outranks every priority; the earliest first.")
    tags: list[Tag] = Field(default=[], max_length=20)
    files: list[NewFile] = Field(default=[], max_length=FILES_MAX)

    def wanted(self, place: str = "") -> Wanted:
        """As the service takes it."""
        return Wanted(
            payload=self.payload,
            priority=self.priority,
            reference=self.reference,
            not_before=self.not_before,
            deadline=self.deadline,
            tags=self.tags,
            files=[(one.name, one.sha256) for one in self.files],
            place=place,
        )


class ItemChanges(Strict):
    """What to change of an item that nobody has; absent members stay."""

    payload: Payload | None = None
    priority: Priority | None = None
    not_before: Moment | None = None
    deadline: Moment | None = None
    tags: list[Tag] | None = Field(default=None, max_length=20)


class Finish(Strict):
    """How an attempt ended, in the holder's words."""

    fence: Fence
    outcome: Literal["done", "failed", "in_review", "returned"]
    error_class: Class | None = None
    message: str | None = Field(default=None, max_length=4000)
    result: Kept = Field(default=None, description="Kept with the item; goes over the payload in the next queue.")


class Why(Strict):
    """A word for those who look later."""

    message: str = Field(default="", max_length=1000)


class Filter(Strict):
    """Which items an order is for; of several members all count."""

    ids: list[Plain] | None = Field(default=None, max_length=500)
    states: list[Annotated[ItemState, Field(strict=False)]] | None = None
    reference: Plain | None = None
    tag: Tag | None = None
    error_class: Class | None = None
    created_before: Moment | None = None
    created_after: Moment | None = None
    message: str = Field(default="", max_length=1000)
    after: Plain = Field(default="", max_length=200, description="`next` of the answer before: go on behind these.")


class Move(Filter):
    """Which items, and where to."""

    to: Plain = Field(description="The queue to move to.")


class Ordered(View):
    """What came of it."""

    changed: int
    refused: int = Field(
        description="Items that their queue, or the one to move to, does not take; they stay as they are."
    )
    more: bool = Field(description="There may be more: give the same order again.")
    next: str | None = Field(description="Send it as `after` to go on with those not looked at yet; null: none left.")


class Item(View):
    """An item."""

    id: str
    queue_id: str
    state: ItemState
    payload: dict[str, Any]
    priority: int
    reference: str | None
    not_before: datetime | None
    deadline: datetime | None
    tags: list[str]
    tries: int = Field(description="Attempts that count against the limit.")
    attempts: int = Field(description="How often it was handed out.")
    crashes: int
    fence: int
    lease_until: datetime | None
    holder: str | None
    execution: str | None
    task: str | None
    runner: str | None
    progress: JsonValue = Field(description="The newest mark of an attempt, whichever it was.")
    error_class: ErrorClass | None
    message: str | None
    result: JsonValue
    source: str | None = Field(description="The item of another queue that it is a copy of.")
    created_by: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class Attempt(View):
    """One handing out that ended; it never changes."""

    number: int
    fence: int
    holder: str
    execution: str | None
    task: str | None
    runner: str | None
    taken_at: datetime
    ended_at: datetime
    outcome: str
    error_class: str | None
    message: str | None
    counted: bool
    progress: JsonValue


class Effect(View):
    """What the journal has of a side effect."""

    key: str
    state: str
    fence: int
    result: JsonValue
    message: str | None
    actor: str
    intended_at: datetime
    settled_at: datetime | None


class ItemFile(View):
    """A file of an item."""

    name: str
    sha256: str
    size_bytes: int
    created_at: datetime


class WholeItem(Item):
    """An item with its files and its history."""

    breaker: HeldBy | None = Field(description="It waits for an application that is out of order.")
    files: list[ItemFile]
    history: list[Attempt]
    effects: list[Effect]


def members(row: ItemRow) -> dict[str, Any]:
    """An item's members as clients see them, in the order of `Item`."""
    return {
        "id": row.id,
        "queue_id": row.queue_id,
        "state": row.state,
        "payload": row.payload,
        "priority": row.priority,
        "reference": row.reference,
        "not_before": row.not_before,
        "deadline": None if row.deadline == NO_DEADLINE else row.deadline,
        "tags": row.tags or [],
        "tries": row.tries,
        "attempts": row.attempts,
        "crashes": row.crashes,
        "fence": row.fence,
        "lease_until": row.lease_until,
        "holder": row.holder,
        "execution": row.execution_id,
        "task": row.task_id,
        "runner": row.runner_id,
        "progress": row.progress,
        "error_class": row.error_class,
        "message": row.message,
        "result": row.result,
        "source": row.source_id,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "finished_at": row.finished_at,
    }


def item_view(row: ItemRow) -> Item:
    """An item as clients see it."""
    return Item(**members(row))


def item_json(row: ItemRow) -> bytes:
    """An `Item` as JSON, past its model: what the database keeps was checked when it came in."""
    return orjson.dumps(members(row), option=orjson.OPT_UTC_Z)


def items_json(rows: Sequence[ItemRow], **more: Any) -> bytes:
    """An answer with ``items`` behind its other members, as `item_json`; a model takes three times as long."""
    return orjson.dumps({**more, "items": [members(row) for row in rows]}, option=orjson.OPT_UTC_Z)


def attempt_view(row: AttemptRow) -> Attempt:
    """An attempt as clients see it."""
    same = ("number", "fence", "holder", "taken_at", "ended_at", "outcome", "error_class", "message", "progress")
    shown = {name: getattr(row, name) for name in same}
    return Attempt(**shown, execution=row.execution_id, task=row.task_id, runner=row.runner_id, counted=row.is_counted)


def effect_view(row: SideEffectRow) -> Effect:
    """A line of the journal as clients see it."""
    same = ("state", "fence", "result", "message", "actor", "intended_at", "settled_at")
    return Effect(key=row.effect_key, **{name: getattr(row, name) for name in same})


def file_view(row: ItemFileRow) -> ItemFile:
    """A file of an item as clients see it."""
    return ItemFile(name=row.name, sha256=row.sha256, size_bytes=row.size_bytes, created_at=row.created_at)
