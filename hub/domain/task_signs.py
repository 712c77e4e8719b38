"""What the feed tells of an attempt: what held it up before its grant, what went wrong with its machine (pure).

Only what the feed shows is said: a wait without a sign has no reason here. Events of a runner's condition carry the
faults that stand (`faults`) and those that have just gone (`mended`), see `hub.services.conditions`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent.wire.condition import UNREACHED, FaultCode
from agent.wire.words import DesktopNeed, Outcome
from hub.domain import condition as conditions

TOLD_WITHIN = timedelta(seconds=3)
"""A runner looks every two seconds, and what it tells gives work at once and is written down a moment later."""
_FOLLOWS = timedelta(seconds=5)
"""A grant so soon after a slot was left is because of that."""
_TROUBLES = 5
"""Of an attempt, the last ones."""

RELEASED = "bot.released"
CONNECTED, DISCONNECTED = "runner.connected", "runner.disconnected"
RESUMED, DRAINING, QUARANTINED = "runner.resumed", "runner.draining", "runner.quarantined"
FIT, UNFIT = "runner.fit", "runner.unfit"
PREPARING, PREPARED = "build.preparing", "build.prepared"
LEFT = "execution.ending"
_ENDED_BY = {DISCONNECTED: CONNECTED, DRAINING: RESUMED, QUARANTINED: RESUMED, PREPARING: PREPARED}
BEFORE_GRANT = frozenset({RELEASED, FIT, UNFIT, LEFT, *_ENDED_BY, *_ENDED_BY.values()})
DURING_RUN = frozenset({FIT, UNFIT})
"""Kinds of events that are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One event around a task."""

    kind: str
    at: datetime
    subject: str
    runner_id: str | None = None
    new: str | None = None
    data: Mapping[str, Any] | None = None
    slot: int | None = None
    """Which slot the bot had that has ended."""
    task: str | None = None
    """The number of the task that it was for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One execution, as far as its story goes."""

    execution_id: str
    runner_id: str
    runner: str
    build_id: str
    slot: int
    state: str
    granted_at: datetime
    started_at: datetime | None
    reported_at: datetime | None
    report: str | None
    """Status that it reported last."""
    ended_at: datetime | None
    settled_at: datetime | None
    outcome: str | None
    reason: str | None
    void_reason: str | None
    exit_code: int | None
    exit_signal: int | None
    stop_asked_at: datetime | None
    stop_cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the bot counts on, so that somebody else's faults are not told for its own."""

    needs: Mapping[str, str] = field(default_factory=dict)
    desktop: DesktopNeed = DesktopNeed.ANY

    def concerns(self, fault: Mapping[str, Any], slot: int) -> bool:
        """Whether a fault touches a bot in this slot that runs."""
        if fault["slot"] is not None:
            return bool(fault["slot"] == slot) and self.desktop is not DesktopNeed.NONE
        name = fault["application"] or (conditions.BROWSER if fault["code"] == FaultCode.NO_BROWSER else None)
        return fault["code"] in conditions.CLOSING or f"{conditions.APPLICATION}{name}" in self.needs

    def keeps(self, fault: Mapping[str, Any], slot: int) -> bool:
        """Whether it keeps the bot from starting there."""
        is_needed = fault["slot"] is None or self.desktop is DesktopNeed.REQUIRED
        return is_needed and self.concerns(fault, slot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that was missing, from when until when."""

    begun: datetime
    ended: datetime
    text: str
    is_preparing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that went wrong with the machine under a bot."""

    at: datetime
    text: str
    is_late: bool
    """It was noticed just after the end: a bot may feel the loss of its desktop before the runner looks."""


# --- before a grant --------------------------------------------------------------------------------------------------


def obstacles(attempt: Attempt, since: datetime, signs: Sequence[Sign], counted: Counted) -> list[Obstacle]:
    """What was missing between `since` and the grant, in the order in which it came."""
    found: list[Obstacle] = []
    begun: dict[str, datetime] = {}
    for sign in signs:
        if sign.kind in DURING_RUN:
            found += _mended(attempt, since, sign, counted)
        elif _is_of(attempt, sign) and sign.kind in _ENDED_BY:
            begun.setdefault(_ENDED_BY[sign.kind], sign.at)
        elif _is_of(attempt, sign) and (text := _text(attempt, sign)):
            is_preparing = sign.kind == PREPARED and sign.kind in begun
            start = since if sign.kind == PREPARED else begun.get(sign.kind, since)
            begun.pop(sign.kind, None)
            if since < sign.at <= attempt.granted_at:
                found.append(Obstacle(begun=max(start, since), ended=sign.at, text=text, is_preparing=is_preparing))
    return sorted(found, key=lambda one: (one.ended, one.begun))


def who_left(attempt: Attempt, since: datetime, signs: Iterable[Sign]) -> str:
    """The task that had the slot until just before the grant, as a text; empty where none had."""
    left = [one for one in signs if one.kind == LEFT and _is_of(attempt, one) and one.slot == attempt.slot]
    last = max((one for one in left if since < one.at <= attempt.granted_at), key=lambda one: one.at, default=None)
    if last is None or attempt.granted_at - last.at > _FOLLOWS:
        return ""
    return f"until task {last.task} left slot {attempt.slot} of {attempt.runner}"


def _is_of(attempt: Attempt, sign: Sign) -> bool:
    if sign.kind == RELEASED:
        return sign.new == attempt.build_id
    if sign.kind in {PREPARING, PREPARED} and sign.subject != attempt.build_id:
        return False
    return sign.runner_id == attempt.runner_id


def _text(attempt: Attempt, sign: Sign) -> str:
    """What was waited for until this sign; empty where a sign ends no wait."""
    texts = {
        RELEASED: "for the release of its build",
        CONNECTED: f"for {attempt.runner} to connect",
        RESUMED: f"for {attempt.runner} to take work again",
        PREPARED: f"on {attempt.runner}",
    }
    return texts.get(sign.kind, "")


def _mended(attempt: Attempt, since: datetime, sign: Sign, counted: Counted) -> Iterator[Obstacle]:
    """Faults that have gone; credits hear of it first, so that the grant may be a moment older than the event."""
    if sign.runner_id != attempt.runner_id or not since < sign.at <= attempt.granted_at + TOLD_WITHIN:
        return
    for fault in _faults(sign, "mended"):
        begun = max(since, _since(fault))
        if counted.keeps(fault, attempt.slot) and begun < attempt.granted_at:
            text = f"for {attempt.runner} to be fit: {_words(fault)}"
            yield Obstacle(begun=begun, ended=min(sign.at, attempt.granted_at), text=text)


# --- while it ran ----------------------------------------------------------------------------------------------------


def troubles(attempt: Attempt, signs: Sequence[Sign], counted: Counted) -> list[Trouble]:
    """What went wrong from its start to its end, both by its runner's clock, as the begin of a fault is.

    And just after the end, unless the bot had done its work by then.
    """
    found: list[Trouble] = []
    standing: set[tuple[Any, ...]] = set()
    for sign in signs:
        if sign.runner_id != attempt.runner_id or sign.kind not in DURING_RUN:
            continue
        faults = _faults(sign, "faults")
        new = [one for one in faults if _key(one) not in standing and counted.concerns(one, attempt.slot)]
        found += [trouble for one in new if (trouble := _trouble(attempt, one))]
        standing = {_key(fault) for fault in faults}
    return found[-_TROUBLES:]


def _trouble(attempt: Attempt, fault: Mapping[str, Any]) -> Trouble | None:
    begun, ended = _since(fault), attempt.ended_at or attempt.settled_at
    is_late = ended is not None and begun > ended
    if attempt.started_at is None or begun < attempt.started_at:
        return None
    if ended is not None and is_late and (attempt.outcome == Outcome.SUCCEEDED or begun > ended + TOLD_WITHIN):
        return None
    when = "" if is_late else " while it ran"
    told = f"{attempt.runner} became unfit{when}: {_words(fault)}"
    if fault["code"] == FaultCode.GONE and fault["slot"] is not None:
        why = str(fault["message"]).removeprefix(UNREACHED)
        # A virtual one that is gone has no display any more, and is called by its slot.
        place = f"of slot {fault['slot']}"
        named = place if fault["desktop"] == place else f"{place} ({fault['desktop']})"
        told = f"the desktop {named} was lost{when}: {why}"
    return Trouble(at=begun, text=told, is_late=is_late)


def _words(fault: Mapping[str, Any]) -> str:
    return conditions.words(fault["desktop"], fault["code"], fault["message"])


def _faults(sign: Sign, which: str) -> list[Mapping[str, Any]]:
    return list((sign.data or {}).get(which) or ())


def _since(fault: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(fault["since"])


def _key(fault: Mapping[str, Any]) -> tuple[Any, ...]:
    return fault["slot"], fault["code"], fault["application"]
