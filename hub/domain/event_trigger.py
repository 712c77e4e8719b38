"""Triggers that listen to the event feed: which event matches, what has to last, and what has to stay away.

A rule has one of three shapes. *Plain*: each event that matches fires. *Lasting* (``for``): what an event began must
last so long; an event of the ``unless`` kinds about the same thing ends it before. Each time it lasts fires once.
*Absent*: no event matched for so long, since the last one or since the trigger was armed; once for each silence.

Time is the time of the events, in the order of the feed: what was over, by its moment, before an event came, had lasted
or been silent, also when the hub looks at both later.

Loops (what a task causes may fire the trigger that made the task): see `is_own` and `DEPTH_MAX`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hub.domain.event_kinds import expand

MEMBERS = ("on", "automation", "queue", "runner", "state", "when", "map", "for", "unless", "absent")
DEPTH_MAX = 5
"""Tasks of event triggers in a row, each caused by the one before; the next is refused."""
UNLESS: Mapping[str, tuple[str, ...]] = {
    "runner.disconnected": ("runner.connected", "runner.revoked"),
    "runner.draining": ("runner.resumed", "runner.revoked"),
    "runner.quarantined": ("runner.resumed", "runner.enrolled", "runner.revoked"),
    "breaker.opened": ("breaker.closed",),
    "queue.paused": ("queue.resumed", "queue.deleted"),
    "queue.emptied": ("item.added", "items.added", "item.requeue", "items.requeue", "queue.deleted"),
    "queue.finished": ("item.added", "items.added", "item.requeue", "items.requeue", "queue.deleted"),
    "trigger.off": ("trigger.resumed", "trigger.deleted"),
    "trigger.paused": ("trigger.resumed", "trigger.deleted"),
    "trigger.trouble": ("trigger.watching", "trigger.deleted"),
    "hub.read_only": ("hub.writable",),
    "task.created": ("execution.granted", "task.settled"),
    "task.queued": ("execution.granted", "task.settled"),
    "execution.granted": ("execution.running", "execution.settled", "execution.void"),
    "execution.running": ("execution.settled",),
}
"""What ends what the key began, where a definition does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event as triggers see it, with the words that people know its parts by."""

    pos: int
    workspace_id: str
    at: datetime
    kind: str
    subject: str
    task_id: str | None = None
    execution_id: str | None = None
    runner_id: str | None = None
    actor: str = ""
    old: str | None = None
    new: str | None = None
    cause: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    automation: str | None = None
    """Label of the automation of its task."""
    runner: str | None = None
    """Name of its runner."""
    trigger_id: str | None = None
    """The trigger that made its task."""
    depth: int = 0
    """How many event triggers in a row led to it."""

    @property
    def queue(self) -> str | None:
        """Label of the queue that it is about."""
        told = self.data.get("label" if self.kind.startswith("queue.") else "queue")
        return told if isinstance(told, str) else None

    @property
    def states(self) -> frozenset[str]:
        """What something became: its new state, and its outcome."""
        return frozenset(str(one) for one in (self.new, self.data.get("outcome"), self._kind_state) if one)

    @property
    def _kind_state(self) -> str:
        return self.kind.partition(".")[2]

    @property
    def about(self) -> str:
        """The thing that it is about; one name for a queue, whoever tells of it."""
        return f"queue:{self.queue}" if self.kind.startswith("queue.") else self.subject

    @property
    def concerns(self) -> frozenset[str]:
        """All things that it has to do with."""
        items = self.data.get("items")
        named = {self.about, self.subject, self.task_id, self.execution_id, self.runner_id}
        named |= {f"queue:{self.queue}"} if self.queue else set()
        named |= set(items) if isinstance(items, Mapping) else set()
        return frozenset(one for one in named if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """What a definition says."""

    on: frozenset[str]
    """Kinds."""
    automation: str | None = None
    queue: str | None = None
    runner: str | None = None
    """Name or id."""
    state: frozenset[str] = frozenset()
    when: str | None = None
    """An expression (CEL) over the event."""
    map: Mapping[str, str] = field(default_factory=dict)
    """Parameter to expression."""
    lasts: timedelta | None = None
    unless: frozenset[str] = frozenset()
    absent: timedelta | None = None

    @property
    def is_plain(self) -> bool:
        """Whether each event that matches fires by itself."""
        return self.lasts is None and self.absent is None


def ends_of(on: frozenset[str], unless: Sequence[str]) -> frozenset[str]:
    """The kinds that end what lasts: those that were named, or else the known opposites."""
    named = expand(unless)
    return named or frozenset(end for kind in on for end in UNLESS.get(kind, ()))


def passes(rule: EventRule, event: Happening) -> bool:
    """Whether an event is of the kinds and passes every filter but the expression."""
    return (
        event.kind in rule.on
        and (rule.automation is None or rule.automation == event.automation)
        and (rule.queue is None or rule.queue == event.queue)
        and (rule.runner is None or rule.runner in {event.runner, event.runner_id})
        and (not rule.state or not rule.state.isdisjoint(event.states))
    )


def is_own(event: Happening, trigger_id: str, label: str) -> bool:
    """Whether a trigger caused an event: by itself, or by a task that it made. Such an event never fires it."""
    return trigger_id in {event.trigger_id, event.subject} or event.actor == f"trigger:{label}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Something that began, and fires when it has lasted."""

    about: str
    since: datetime
    due_at: datetime
    event: Happening
    is_told: bool = False
    """It has fired, and stays until it ends: it fires once."""


@dataclass(slots=True, kw_only=True)
class Lasting:
    """What of a rule with ``for`` has begun and not ended, by what it is about."""

    lasts: timedelta
    held: dict[str, Awaited] = field(default_factory=dict)

    def see(self, event: Happening, *, is_match: bool, is_end: bool) -> list[Awaited]:
        """Take in the next event; what had lasted before it, and fires."""
        touched = event.concerns if is_end else frozenset({event.about})
        fired = self._tell(sorted(touched & self.held.keys()), event.at)
        if is_end:
            for about in touched:
                self.held.pop(about, None)
        elif is_match and event.about not in self.held:
            due_at = event.at + self.lasts
            self.held[event.about] = Awaited(about=event.about, since=event.at, due_at=due_at, event=event)
        return fired

    def tick(self, now: datetime) -> list[Awaited]:
        """What has lasted by now, and fires."""
        return self._tell(sorted(self.held), now)

    def _tell(self, abouts: Sequence[str], moment: datetime) -> list[Awaited]:
        fired = [self.held[about] for about in abouts if self._is_due(self.held[about], moment)]
        self.held |= {one.about: replace(one, is_told=True) for one in fired}
        return fired

    @staticmethod
    def _is_due(one: Awaited, moment: datetime) -> bool:
        return not one.is_told and one.due_at <= moment


@dataclass(slots=True, kw_only=True)
class Silence:
    """Since when nothing matched a rule with ``absent``."""

    absent: timedelta
    since: datetime
    is_told: bool = False

    @property
    def due_at(self) -> datetime:
        """When it has lasted."""
        return self.since + self.absent

    def see(self, at: datetime) -> datetime | None:
        """Take in the next event that matches; since when it had been silent, if that fires."""
        fired = self.tick(at)
        self.since, self.is_told = max(self.since, at), False
        return fired

    def tick(self, now: datetime) -> datetime | None:
        """Since when it has been silent by now, if that fires."""
        if self.is_told or self.due_at > now:
            return None
        self.is_told = True
        return self.since
