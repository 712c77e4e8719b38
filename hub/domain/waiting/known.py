"""What is known of a task that waits, and of the runners that could take it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.wire.condition import Condition
from agent.wire.words import PreparationState, TaskState
from hub.domain.condition import usable_slots
from hub.domain.credits import Offer
from hub.domain.demand import Shortage
from hub.domain.prerequisite import Prerequisite, When
from hub.domain.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class FitCandidate:
    """A runner as placement sees it."""

    id: str
    name: str
    labels: Mapping[str, str]
    slots: int
    is_connected: bool
    is_draining: bool
    drain_reason: str = ""
    """Why it takes no new work, as a person said."""
    drained_by: str = ""
    drained_at: datetime | None = None
    window: Window | None = None
    """The maintenance window that it is in now."""
    free_at: datetime | None = None
    """When that ends, and those that follow it without a gap."""
    gone_since: datetime | None = None
    """Since when it has no link."""
    preparation: PreparationState | None = None
    progress: float = 0.0
    message: str = ""
    permanent: bool = False
    told_at: datetime | None = None
    """When it last said something of the build."""
    condition: Condition | None = None
    """As it told it last."""
    busy_with: Sequence[str] = ()
    """Tasks that it has, by number."""
    busy_since: datetime | None = None
    """When the newest of them was granted."""

    def usable_slots(self, needs: Mapping[str, str], slots: Iterable[int] | None = None) -> tuple[int, ...]:
        """Which of its slots, or of those given, meet the needs, as it is now."""
        return usable_slots(self.labels, self.condition, range(self.slots) if slots is None else slots, needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedBefore:
    """The last failure of a task that its policy tries again."""

    nth: int
    """Which execution comes, of those that its cause may have."""
    limit: int
    ended: str
    """As ``failed: exit_code``."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A limit that keeps a task, and who has what it needs."""

    shortage: Shortage
    holders: Sequence[str] = ()
    """Tasks, by number, longest first."""
    full_since: datetime | None = None
    """When the newest of them began."""
    has_accounts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How an automation stands with failures that stop it (`hub.domain.placement.may_start`)."""

    at: datetime | None = None
    """None: it is not stopped."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """All that bears on a task which does not run yet, or is not known to."""

    state: TaskState
    now: datetime
    not_before: datetime | None
    held: str | None
    bot: str
    build_id: str | None
    needs: Mapping[str, str]
    runners: Sequence[FitCandidate]
    offers: Mapping[str, Offer]
    automation: str = ""
    stopped: Stopped = Stopped()
    limited: Sequence[Limited] = ()
    """The limits that are exceeded now (`hub.domain.demand.exceeded`)."""
    after: When | None = None
    """How the tasks that it waits for must end."""
    prerequisites: Sequence[Prerequisite] = ()
    tried: TriedBefore | None = None
    avoided: str = ""
    """Name of the runner that it failed on and is kept from."""
    unshown: Sequence[str] = ()
    """Runners that have not shown yet what they ran since a restored backup."""
    queued_at: datetime | None = None
    """Since when it could have run: made, due, or its last attempt over."""
    created_at: datetime | None = None
    ahead: int = 0
    """Queued tasks of the same need that come first."""
    permit_runner: str | None = None
    """Name of the runner that has the permit and has not answered yet."""
    permit_age_s: float = 0.0
    unreachable_s: float | None = None
    """Since the link of that runner is gone."""
