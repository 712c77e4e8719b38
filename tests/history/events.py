"""The closed list of events of a history, each a line of JSON.

`at` is in seconds on the one clock of its history. Ids are the product's own (`tsk_…`, `exe_…`), or whatever names the
thing uniquely within the history.
"""

import base64
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


class FaultKind(StrEnum):
    """What a test does to the system; the excuse of a loss is looked up here."""

    HUB_KILLED = "hub_killed"
    HUB_STOPPED = "hub_stopped"
    HUB_RESTORED = "hub_restored"
    DAEMON_KILLED = "daemon_killed"
    DAEMON_STOPPED = "daemon_stopped"
    SHIM_KILLED = "shim_killed"
    BOT_KILLED = "bot_killed"
    HOST_CRASHED = "host_crashed"
    POWER_CUT = "power_cut"
    HOME_WIPED = "home_wiped"
    HOME_ROLLED_BACK = "home_rolled_back"
    HOME_CLONED = "home_cloned"
    RUNNER_REVOKED = "runner_revoked"
    LINK_CUT = "link_cut"
    LINK_HALF_OPEN = "link_half_open"
    LINK_ONE_WAY = "link_one_way"
    LINK_SLOW = "link_slow"
    FRAME_REPEATED = "frame_repeated"
    FRAME_REORDERED = "frame_reordered"
    FRAME_DAMAGED = "frame_damaged"
    CLOCK_JUMPED = "clock_jumped"
    SUSPENDED = "suspended"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    BYTES_DAMAGED = "bytes_damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Bytes that were written and are not stored: where they would have stood, how many (None: unknown), why."""

    start: int
    bytes: int | None
    reason: str
    filled: int = 0
    """So many NULs stand in their place: offsets stay the runner's, and what lies behind can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the API says of an output."""

    state: str = "none"
    bytes: int = 0
    sha256: str | None = None
    complete: bool = False
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked(Event):
    """The API answered a create: from now on this task may not be lost."""

    task: str
    key: str | None = None
    """Its idempotency key; the same key is answered with the same task."""
    attempts: int = 1
    """How many may start in all: 1 and the automation's retries."""
    keep: bool = True
    """`on_disconnect`: keep, else stop."""
    report_decides: bool = False
    """A BotCity kind: the report is the outcome, whatever the exit code (core.md §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked(Event):
    """The API accepted a cancel or kill of this task; `forced`: an operator gives the runner up (D6)."""

    task: str
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishAsked(Event):
    """The API accepted a finish by a person or another bot."""

    task: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Event):
    """An operator gave this task up as lost, or let it go from *held: restored*."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted(Event):
    """The hub committed a permit."""

    task: str
    execution: str
    fence: int
    runner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided(Event):
    """The hub holds that this execution never started and never will."""

    execution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """The bot's own first act."""

    task: str
    execution: str
    fence: int
    runner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote(Event):
    """The first `length` bytes that the bot wrote to this stream have this sha256; `data` are they, where small."""

    execution: str
    stream: str = "stdout"
    length: int
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Event):
    """The bot's report was answered as accepted."""

    execution: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """The first signal of a stop reached the bot (cancel, timeout, dead-man, limit, …)."""

    execution: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """The bot's true end; both None where nobody can know it (the machine died)."""

    execution: str
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    """The hub committed a settlement of a task, as its event feed tells."""

    task: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Event):
    """What API or command line say of a task, at each look."""

    task: str
    state: str
    execution: str | None = None
    outcome: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    report: str | None = None
    """Status of the report that is shown."""
    flags: tuple[str, ...] = ()
    output: Output = Output()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Event):
    """The API knows nothing of this task (404)."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Event):
    """What the output's bytes are when they are asked for, of one stream or of a bot that writes to one only."""

    execution: str
    stream: str = "stdout"
    length: int
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone(Event):
    """A completion of a queue's item was accepted (C7; items come with a later issue)."""

    item: str
    execution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired(Event):
    """A trigger made a task for one moment (C8; triggers come with a later issue)."""

    trigger: str
    scheduled_for: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Event):
    """Something was done to the system."""

    what: FaultKind
    runner: str | None = None
    execution: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed(Event):
    """No fault is active from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched(Event):
    """A search for leftovers or secrets took place; without it `left` and `secret_found` prove nothing."""

    rule: str
    """`C10` or `C11`."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFound(Event):
    """A seeded secret stands where none may be."""

    name: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """A process, file, task or descriptor that is there after the end."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Event):
    """A quantity that has a limit, as it was measured."""

    name: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """The end: all is healed, and the time in which everything must have come to its end has passed."""


EVENTS: tuple[type[Event], ...] = (
    Acked, CancelAsked, FinishAsked, Released, Granted, Voided, Started, Wrote, Reported, Stopped, Ended, Settled,
    Seen, Gone, Stored, ItemDone, Fired, Fault, Healed, Searched, SecretFound, Left, Bound, Closed,
)  # fmt: skip


def name_of(event: type[Event]) -> str:
    """`CancelAsked` is `cancel_asked` in JSON."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event.__name__).lstrip("_")


_BY_NAME = {name_of(event): event for event in EVENTS}


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON; what has its default is left out."""
    told = {"event": name_of(type(event))}
    return told | {
        field.name: _plain(getattr(event, field.name))
        for field in dataclasses.fields(event)
        if getattr(event, field.name) != field.default
    }


def from_json(value: Mapping[str, Any]) -> Event:
    """The event of this JSON.

    Raises ValueError for an event or field that is not in the list, and for a value of another type.
    """
    name = value.get("event")
    if name not in _BY_NAME:
        raise ValueError(f"event: {name!r} is none of {', '.join(_BY_NAME)}")
    event = _built(_BY_NAME[str(name)], {key: each for key, each in value.items() if key != "event"})
    assert isinstance(event, Event)
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dataclasses.asdict(value) if isinstance(value, Output | Gap) else value


def _built(made: Any, fields: Mapping[str, Any]) -> object:
    hints = get_type_hints(made)
    if unknown := fields.keys() - hints.keys():
        raise ValueError(f"{made.__name__}: no such field: {', '.join(sorted(unknown))}")
    try:
        return made(**{name: _typed(f"{made.__name__}.{name}", hints[name], each) for name, each in fields.items()})
    except TypeError as error:
        raise ValueError(f"{made.__name__}: {error}") from None


def _typed(where: str, hint: Any, value: Any) -> Any:
    """The value as its field wants it."""
    if get_origin(hint) in {UnionType, Union}:
        if value is None:
            return None
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        return tuple(_typed(where, get_args(hint)[0], each) for each in _checked(where, list, value))
    if hint is bytes:
        return base64.b64decode(_checked(where, str, value), validate=True)
    if hint is FaultKind:
        return FaultKind(value)
    if hint in {Output, Gap}:
        return _built(hint, _checked(where, dict, value))
    if hint is float and type(value) is int:
        return float(value)
    return _checked(where, hint, value)


def _checked(where: str, wanted: Any, value: Any) -> Any:
    if type(value) is not wanted:
        raise ValueError(f"{where}: {value!r} is no {wanted.__name__}")
    return value
