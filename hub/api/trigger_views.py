"""Triggers, their definitions and their history as clients see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Discriminator, Field, JsonValue, Tag

from hub.api.call import Strict, View
from hub.api.task_views import HIDDEN
from hub.domain.calendar import OnHoliday
from hub.domain.file_trigger import Existing
from hub.domain.schedule.misfire import Misfire
from hub.domain.schedule.phrases import GRAMMAR
from hub.domain.schedule.preview import Previewed
from hub.domain.trigger import FiringOutcome, Overlap, TriggerKind, TriggerState
from hub.domain.webhook import Sign
from hub.services import event_preview
from hub.storage.triggers import FiringRow, TriggerRow

Holiday = Annotated[
    OnHoliday, Field(strict=False, description="What becomes of a day on which nobody works; skip with a calendar.")
]
Missed = Annotated[
    Misfire, Field(strict=False, description="Which moments fire that passed while the hub was away: `last`.")
]
Beside = Annotated[
    Overlap, Field(strict=False, description="What happens while its earlier tasks are not finished: `allow`.")
]
Moment = Annotated[AwareDatetime, Field(strict=False)]


class Common(Strict):
    """What triggers of every kind may say."""

    overlap: Beside | None = None
    off_after: int | None = Field(
        default=None, ge=0, le=1000, description="Failures in a row after which it switches itself off: 5. 0: never."
    )
    priority: int | None = Field(default=None, ge=0, le=10, description="Of its tasks; the automation's if absent.")


class Schedule(Common):
    """When tasks are made: one of `cron`, `every` and `phrase`."""

    kind: Literal["schedule"] = "schedule"
    cron: str | None = Field(
        default=None,
        description="Five fields, or six or seven as Quartz has them: seconds first, days of the week from 1 = SUN.",
        examples=["30 6 * * MON-FRI", "0 0 18 LW * ?"],
    )
    every: str | None = Field(default=None, description="An interval, in elapsed time.", examples=["15m", "1h30m"])
    phrase: str | None = Field(default=None, description=GRAMMAR, examples=["last working day of the month at 18:00"])
    zone: str | None = Field(default=None, description="IANA name: UTC.", examples=["Europe/Berlin"])
    start: Moment | None = Field(default=None, description="Nothing before it.")
    end: Moment | None = Field(default=None, description="Nothing after it.")
    anchor: Moment | None = Field(default=None, description="Where intervals count from; start, or now.")
    on_holiday: Holiday | None = None
    misfire: Missed | None = None
    misfire_window_s: int | None = Field(default=None, ge=1, description="Missed moments older than it: 1 day.")
    misfire_cap: int | None = Field(default=None, ge=1, le=100, description="With `all`, so many fire at most: 10.")

    def said(self) -> dict[str, Any]:
        """The members that were sent, as services take them; null takes one away."""
        sent = self.model_dump(mode="json")
        return {name: sent[name] for name in self.model_fields_set}


class OfQueue(Common):
    """Tasks for the items of a queue: as many as the items want, and no more than `max_tasks` at once."""

    kind: Literal["queue"]
    queue: str | None = Field(default=None, description="Label of the queue.")
    threshold: int | None = Field(default=None, ge=1, description="Items that must wait before any task is made: 1.")
    items_per_task: int | None = Field(default=None, ge=1, description="One more task for each so many items: 1.")
    max_tasks: int | None = Field(default=None, ge=1, le=1000, description="Unfinished at once: 1.")

    def said(self) -> dict[str, Any]:
        """The members that were sent, as services take them; null takes one away."""
        sent = self.model_dump(mode="json")
        return {name: sent[name] for name in self.model_fields_set}


class OfWebhook(Common):
    """Tasks for calls to ``POST /hooks/{id}``, each message once."""

    kind: Literal["webhook"]
    sign: Annotated[Sign, Field(strict=False)] | None = Field(
        default=None, description="standard (Standard Webhooks, HMAC) or token (a bearer token): standard."
    )
    map: dict[str, str] | None = Field(
        default=None,
        description="Parameter to CEL expression over `body` and `headers`; none: the body's members.",
        examples=[{"month": "body.invoice.month"}],
    )

    def said(self) -> dict[str, Any]:
        """The members that were sent, as services take them; null takes one away."""
        sent = self.model_dump(mode="json")
        return {name: sent[name] for name in self.model_fields_set}


class OfEvents(Common):
    """Tasks for events: for each that matches, for what lasts (`for`), or for what stays away (`absent`)."""

    kind: Literal["event"]
    on: list[str] | str | None = Field(
        default=None, description="Kinds of events; `task.*` is all of a family.", examples=[["task.settled"]]
    )
    automation: str | None = Field(default=None, description="Only events of tasks of this automation: its label.")
    queue: str | None = Field(default=None, description="Only events of this queue and its items: its label.")
    runner: str | None = Field(default=None, description="Only events of this runner: its name or id.")
    state: list[str] | str | None = Field(
        default=None, description="Only what became so: a state or an outcome.", examples=[["failed", "lost"]]
    )
    when: str | None = Field(
        default=None, description="CEL expression over `event`.", examples=["event.data.reason == 'exit_code'"]
    )
    map: dict[str, str] | None = Field(
        default=None,
        description="Parameter to CEL expression over `event`; over `since` with `absent`.",
        examples=[{"task": "event.task"}],
    )
    lasts: str | None = Field(
        default=None,
        alias="for",
        description="Only if it lasts so long, and `unless` does not end it.",
        examples=["10m"],
    )
    unless: list[str] | str | None = Field(
        default=None, description="Kinds of events that end what began; known for most that have an opposite."
    )
    absent: str | None = Field(
        default=None, description="If no event matches for so long; once for each silence.", examples=["1d"]
    )

    def said(self) -> dict[str, Any]:
        """The members that were sent, as services take them; null takes one away."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class OfFiles(Common):
    """A task for each file in a folder on a runner, exactly once; a file that is written anew is a new one."""

    kind: Literal["file"]
    runner: str | None = Field(default=None, description="Name of the runner that watches.")
    folder: str | None = Field(default=None, description="Absolute path there.", examples=["/srv/inbox", "D:\\inbox"])
    pattern: str | None = Field(
        default=None,
        description="Glob for names of files: `*`. Hidden and unfinished ones (.x, ~$x, x.part, x.tmp) are left out.",
        examples=["*.csv"],
    )
    recursive: bool | None = Field(default=None, description="Folders below, too: false. Links are never followed.")
    stable_s: float | None = Field(
        default=None, ge=0, le=3600, description="A file counts when it did not change for so long: 2."
    )
    existing: Annotated[Existing, Field(strict=False)] | None = Field(
        default=None, description="Files that lie there when the runner looks for the first time: ignore, or fire."
    )
    parameter: str | None = Field(default=None, description="Which parameter of the task gets the path: `file`.")
    anywhere: bool | None = Field(
        default=None, description="Tasks may run on any fit runner, as for a share: false, only where the file is."
    )

    def said(self) -> dict[str, Any]:
        """The members that were sent, as services take them; null takes one away."""
        sent = self.model_dump(mode="json")
        return {name: sent[name] for name in self.model_fields_set}


def _kind_of(value: Any) -> str:
    """Whose definition it is; a schedule's where it does not say."""
    kind = value.get("kind", "schedule") if isinstance(value, dict) else getattr(value, "kind", "schedule")
    return str(kind)


Definition = Annotated[
    Annotated[Schedule, Tag("schedule")]
    | Annotated[OfQueue, Tag("queue")]
    | Annotated[OfWebhook, Tag("webhook")]
    | Annotated[OfEvents, Tag("event")]
    | Annotated[OfFiles, Tag("file")],
    Discriminator(_kind_of),
]


class Trigger(View):
    """What makes tasks of an automation by itself."""

    id: str
    label: str
    name: str
    kind: TriggerKind
    automation: str
    definition: dict[str, JsonValue]
    parameters: dict[str, JsonValue] = Field(description="Values of secret parameters are hidden.")
    calendar: str | None
    state: TriggerState
    off_why: str | None = Field(description="Why it switched itself off.")
    failed_in_a_row: int
    next_at: datetime | None = Field(description="When it fires next; null unless it is active.")
    trouble: str | None = Field(description="Why a folder is not watched, or not all of it; null while it is.")
    trouble_since: datetime | None = Field(description="Since when the runner says so.")
    watched_at: datetime | None = Field(description="When the runner last told all that lies in the folder.")
    url: str | None = Field(description="Where a webhook is called; null for what is none.")
    created_by: str
    created_at: datetime
    updated_at: datetime


class Firing(View):
    """One line of a trigger's history."""

    id: str
    at: datetime
    scheduled_for: datetime | None = Field(description="The moment that it was for.")
    late_s: float | None = Field(description="How long after it.")
    cause: str
    outcome: FiringOutcome
    why: str
    task: str | None
    task_number: int | None


class Next(View):
    """One firing to come."""

    at: datetime
    local: datetime = Field(description="In the trigger's zone, with the offset of that moment.")
    offset: str
    note: str = Field(description="What a change of the clock, or a calendar, does to it; empty for most.")


class Preview(View):
    """Firings to come, in order."""

    zone: str
    items: list[Next]


class Would(View):
    """A task that a trigger of events would have made."""

    at: datetime
    event: int | None = Field(description="Position of its event in the feed; null for a silence.")
    why: str
    parameters: dict[str, JsonValue] = Field(description="What its event gives.")
    fault: str = Field(description="Why it would have failed instead; empty if it would not.")


class Tried(View):
    """What a trigger of events would have done with the last events."""

    looked_at: int = Field(description="Events.")
    since: datetime | None = Field(description="The moment of the first of them.")
    matched: int
    fires: int = Field(description="Tasks that it would have made.")
    unread: str = Field(description="Why `when` came to no value for an event; empty if it always did.")
    items: list[Would] = Field(description="The last of those tasks, in order.")


def tried_view(found: event_preview.Tried) -> Tried:
    """What it would have done, as clients see it."""
    items = [
        Would(at=one.at, event=one.pos, why=one.why, parameters=dict(one.parameters), fault=one.fault)
        for one in found.fires[-event_preview.SHOWN_MAX :]
    ]
    own = {name: getattr(found, name) for name in ("looked_at", "since", "matched", "unread")}
    return Tried(**own, fires=len(found.fires), items=items)


def trigger_view(row: TriggerRow, base: str, secrets: Sequence[str] = (), trouble: str | None = None) -> Trigger:
    """A trigger as clients see it; `base` is the hub's address, `secrets` name parameters that nobody may read."""
    apart = {"parameters", "kind", "state", "url"}
    own = {name: getattr(row, name) for name in Trigger.model_fields if name not in apart}
    own["trouble"] = trouble
    own["url"] = called_at(base, row.id) if row.kind == TriggerKind.WEBHOOK else None
    shown = {name: HIDDEN if name in secrets else value for name, value in row.parameters.items()}
    return Trigger(**own, parameters=shown, kind=TriggerKind(row.kind), state=TriggerState(row.state))


def called_at(base: str, trigger_id: str) -> str:
    """The address that a webhook is called at, on the hub at `base`."""
    return f"{base}/hooks/{trigger_id}"


def firing_view(row: FiringRow) -> Firing:
    """A line of the history as clients see it."""
    late = None if row.scheduled_for is None else (row.at - row.scheduled_for).total_seconds()
    return Firing(
        id=row.id,
        at=row.at,
        scheduled_for=row.scheduled_for,
        late_s=late if row.outcome == FiringOutcome.FIRED else None,
        cause=row.cause_key,
        outcome=FiringOutcome(row.outcome),
        why=row.why,
        task=row.task_id,
        task_number=row.task_number,
    )


def preview_view(zone: str, found: Sequence[Previewed]) -> Preview:
    """Firings to come as clients see them."""
    items = [Next(at=one.at, local=one.local, offset=one.local.isoformat()[-6:], note=one.note) for one in found]
    return Preview(zone=zone, items=items)
