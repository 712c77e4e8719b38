"""An automation: a bot, what it may be asked with, what it needs, and the policies of its tasks (`design.md` §1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from agent.wire.names import LABEL, LABEL_FORM
from agent.wire.task import Limits
from agent.wire.words import OnDisconnect
from hub.domain import demand, desktop_wish, limits, retry
from hub.domain.condition import RESERVED, needs_of
from hub.domain.demand import Sharing
from hub.domain.desktop_wish import DesktopWish
from hub.domain.parameters import Fault, Parameter, definition_faults
from hub.domain.retry import RetryPolicy

RESERVED_LABELS = frozenset({"pagination", "log", "release", "upload"})
"""Fixed words of BotCity's paths, which no label may be (`maestro.md` §2)."""
LABELS_MAX = 32


class AutomationState(StrEnum):
    """A paused automation takes no new tasks; those that it has go on. One that a failure stopped is paused too, and
    those that wait are kept until somebody resumes it (`Automation.stopped_at`).
    """

    ACTIVE = "active"
    PAUSED = "paused"


class ReportRule(StrEnum):
    """Whether exit code 0 without a report is a success."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    DEFAULT = "default"
    """As the kind of the bot has it: required for BotCity packages (`design.md` §5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Everything that a developer says of an automation; times in seconds."""

    label: str
    bot: str
    """Name of the bot."""
    name: str = ""
    """For people; the label where it is empty."""
    description: str = ""
    parameters: Sequence[Parameter] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    """Labels that a runner must have."""
    priority: int = 5
    report: ReportRule = ReportRule.DEFAULT
    on_disconnect: OnDisconnect = OnDisconnect.KEEP
    lost_after_s: int = 600
    run_limit_s: int | None = 86400
    """None: it may run for ever."""
    limits: Limits = field(default_factory=Limits)
    """What it may use; run limit and `lost_after_s` stand beside it, and not in it."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    sharing: Sharing = field(default_factory=Sharing)
    """What its tasks share among themselves and with others."""
    on_screen: DesktopWish = field(default_factory=DesktopWish)
    """What its bot needs of a desktop and of programs, and what is kept of the screen."""
    state: AutomationState = AutomationState.ACTIVE

    @property
    def all_needs(self) -> dict[str, str]:
        """What a slot must offer: labels, a desktop, applications."""
        return {**self.needs, **needs_of(self.on_screen)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """A stored automation: its definition, and what the hub adds to it."""

    id: str
    workspace_id: str
    bot_id: str
    released_build_id: str | None
    """The build that its next task gets, None until the bot has a release."""
    label_set_id: str
    definition: Definition
    paused_why: str | None
    """Why the hub stopped it; None where a person paused it."""
    stopped_at: datetime | None
    """Since when none of its tasks starts any more (`hub.domain.placement.may_start`)."""
    created_at: datetime
    updated_at: datetime


def faults_of(new: Definition) -> list[Fault]:
    """What is wrong with a definition, all at once; empty when it can stand."""
    faults = [*label_name_faults(new.label), *definition_faults(new.parameters), *label_faults("needs", new.needs)]
    bounds = (
        ("priority", new.priority, 0, 10),
        ("lost_after_s", new.lost_after_s, 120, 30 * 86400),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            faults.append(Fault(field=name, message=f"{value} is out of range", remedy=f"{low} to {high}"))
    faults += limits.faults_of(new.limits.model_copy(update={"run_limit_s": None}), "limits.")
    faults += limits.faults_of(Limits(run_limit_s=None).model_copy(update={"run_limit_s": new.run_limit_s}))
    faults += desktop_wish.faults_of(new.on_screen)
    return faults + retry.faults_of(new.retry) + demand.faults_of(new.sharing)


def label_faults(where: str, labels: Mapping[str, str]) -> list[Fault]:
    """What is wrong with labels that a runner has or an automation needs; `where` names them in messages."""
    faults = []
    if len(labels) > LABELS_MAX:
        faults.append(Fault(field=where, message=f"more than {LABELS_MAX}", remedy="give fewer"))
    for name, value in labels.items():
        if name.lower().startswith(RESERVED):
            remedy = "an automation says desktop, desktop_size and applications; runners tell what they have"
            told = f"{RESERVED}… is the hub's own"
            faults.append(Fault(field=f"{where}.{name[:64]}", message=told, remedy=remedy))
        elif not LABEL.match(name) or not LABEL.match(value):
            faults.append(
                Fault(field=f"{where}.{name[:64]}", message=f"{value[:64]!r} can't be a label", remedy=LABEL_FORM)
            )
    return faults


def label_name_faults(label: str) -> list[Fault]:
    """What is wrong with the label of an automation."""
    if label in RESERVED_LABELS:
        return [
            Fault(field="label", message=f"{label!r} is a fixed word of BotCity's paths", remedy="add a word to it")
        ]
    if not LABEL.match(label):
        remedy = "begin with a letter or digit, then letters, digits, _ . or -, 128 in all"
        return [Fault(field="label", message=f"{label[:64]!r} is no label", remedy=remedy)]
    return []
