"""What becomes of the moments that have passed since somebody last looked (R64).

Mostly there is one, a moment ago, and it fires. After an absence there are many: the policy says how many of the newest
fire, the window how old they may be. Whatever does not fire is told in one row of the history.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.quantities import duration_text
from hub.domain.schedule.schedule import Due, Schedule

CAP_MAX = 100
GRACE = timedelta(seconds=60)
"""A moment that is younger was not missed: the hub was only slow."""
_LOOK_MAX = 1000
"""Moments that are looked at one by one; of more, only the newest are found."""


class Misfire(StrEnum):
    """Which of the missed moments fire."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class MisfirePolicy:
    """What to do with missed moments."""

    policy: Misfire = Misfire.LAST
    window: timedelta = timedelta(days=1)
    """What is older never fires."""
    cap: int = 10
    """So many fire at most, the newest (`all`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Moments that did not fire, as one run."""

    first: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """What is to be done with the moments that have passed."""

    fires: Sequence[Due] = ()
    skipped: Skipped | None = None
    following: Due | None = None
    """The first moment to come."""


def consider(schedule: Schedule, after: datetime, now: datetime, policy: MisfirePolicy) -> Considered:
    """Decide on the moments in (`after`, `now`]; takes bounded time however many they are."""
    cap = policy.cap if policy.policy is Misfire.ALL else 1
    oldest = now - (GRACE if policy.policy is Misfire.NONE else policy.window)
    passed = _walk(schedule, after, now, cap)
    newest, seen = passed.newest, passed.seen
    following = passed.following
    if seen > _LOOK_MAX:
        newest, following = _newest(schedule, after, now, cap), schedule.next_after(now)
    fires = [due for due in newest if due.at >= oldest]
    if passed.first is None or len(fires) == seen:
        return Considered(fires=fires, following=following)
    skipped = Skipped(first=passed.first, why=_why(seen, len(fires), policy))
    return Considered(fires=fires, skipped=skipped, following=following)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """The moments that have passed, one by one."""

    newest: Sequence[Due]
    seen: int
    """How many; counting stops behind `_LOOK_MAX`."""
    first: datetime | None
    following: Due | None
    """The first that has not passed, where all that have were seen."""


def _walk(schedule: Schedule, after: datetime, now: datetime, cap: int) -> _Passed:
    newest: deque[Due] = deque(maxlen=cap)
    seen, first, following = 0, None, None
    for due in schedule.following(after):
        if due.at > now or seen > _LOOK_MAX:
            following = due
            break
        first = first or due.at
        newest.append(due)
        seen += 1
    return _Passed(newest=newest, seen=seen, first=first, following=following)


def _newest(schedule: Schedule, after: datetime, now: datetime, cap: int) -> Sequence[Due]:
    """The newest of very many: look back far enough to see `cap` of them, not so far as to see them all."""
    near, far = timedelta(), timedelta(seconds=1)
    while True:
        found = _walk(schedule, max(after, now - far), now, cap)
        if found.seen > _LOOK_MAX:
            far = near + (far - near) / 2
        elif found.seen >= cap or now - far <= after:
            return found.newest
        else:
            near, far = far, far * 2 if near * 2 >= far or not near else near + (far - near) * 2


def _why(seen: int, fired: int, policy: MisfirePolicy) -> str:
    count = f"more than {_LOOK_MAX}" if seen > _LOOK_MAX else str(seen - fired)
    rule = {
        Misfire.NONE: "misfire none fires no missed moment",
        Misfire.LAST: f"misfire last fires the newest within {duration_text(policy.window.total_seconds())}",
        Misfire.ALL: f"misfire all fires the newest {policy.cap} within {duration_text(policy.window.total_seconds())}",
    }[policy.policy]
    return f"{count} {'moment' if count == '1' else 'moments'} passed before anything fired; {rule}"
