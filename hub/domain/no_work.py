"""Why a runner gets no work, or not all of it: every reason in one place, with since when and what ends it.

`reasons` is pure. What it says agrees with placement: a runner without a reason whose scope is `Scope.ALL` gets work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.wire.condition import Condition, FaultCode
from hub.domain import condition as conditions
from hub.domain.credit import Offer
from hub.domain.window import Window

CLOSED_BY_DRAIN = "draining"
"""What a runner says of itself when the hub told it to drain."""
REENROL = "botyard-agent enroll --again there, with a new token, then botyard runner revoke this one."


class NoWorkCode(StrEnum):
    """The reasons, a closed list."""

    REVOKED = "revoked"
    QUARANTINED = "quarantined"
    OFFLINE = "offline"
    DRAINED = "drained"
    MAINTENANCE = "maintenance"
    UNFIT = "unfit"
    """Something is wrong with it, as it told (`NoWork.fault`)."""
    CLOSED = "closed"
    """Its daemon takes nothing, for reasons of its own."""
    PAUSED = "paused"
    """Orders came back unstarted."""
    BUSY = "busy"
    NO_SLOT = "no_slot"
    """It offers none, and does not say why."""


class Scope(StrEnum):
    """Which work a reason keeps away."""

    ALL = "all"
    DESKTOP = "desktop"
    """What needs that desktop."""
    APPLICATION = "application"
    """What needs that application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWork:
    """One reason."""

    code: NoWorkCode
    message: str
    since: datetime | None = None
    """None where nobody knows."""
    remedy: str = ""
    """What ends it; empty where waiting is all there is to do."""
    scope: Scope = Scope.ALL
    fault: FaultCode | None = None
    slot: int | None = None
    """Whose desktop it is about."""
    application: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a runner."""

    name: str
    slots: int
    is_linked: bool
    gone_since: datetime | None = None
    """None where it was never there."""
    revoked_at: datetime | None = None
    quarantined_at: datetime | None = None
    quarantine_reason: str | None = None
    is_copied: bool = False
    draining: bool = False
    drain_reason: str | None = None
    drained_by: str | None = None
    drained_at: datetime | None = None
    window: Window | None = None
    condition: Condition | None = None
    offer: Offer | None = None
    """None while this hub has no session with it."""
    tasks: Sequence[str] = ()
    """That it has, by number."""
    busy_since: datetime | None = None


def reasons(known: Standing, now: datetime) -> tuple[NoWork, ...]:
    """Every reason, the first to act on first."""
    if known.revoked_at is not None:
        told, remedy = "It was revoked, for ever.", "botyard runner token brings the machine in anew."
        return (NoWork(code=NoWorkCode.REVOKED, message=told, since=known.revoked_at, remedy=remedy),)
    found = [*_quarantined(known), *_offline(known), *_drained(known), *_in_window(known), *_unfit(known, now)]
    return (*found, *_of_offer(known, found))


def _quarantined(known: Standing) -> list[NoWork]:
    if known.quarantined_at is None:
        return []
    code, since = NoWorkCode.QUARANTINED, known.quarantined_at
    if known.is_copied:
        told = f"It is quarantined: {known.quarantine_reason or 'its home was seen twice'}."
        return [NoWork(code=code, message=told, since=since, remedy=REENROL)]
    told = f"It is quarantined: {known.quarantine_reason or 'its machine failed again and again'}."
    remedy = f"Mend the machine, then botyard runner resume {known.name}."
    return [NoWork(code=code, message=told, since=since, remedy=remedy)]


def _offline(known: Standing) -> list[NoWork]:
    if known.is_linked or known.is_copied:
        return []
    told = "It has no link to the hub." if known.gone_since else "It was never linked to the hub."
    remedy = f"Start botyard-agent on {known.name}; botyard-agent doctor there says what keeps it away."
    return [NoWork(code=NoWorkCode.OFFLINE, message=told, since=known.gone_since, remedy=remedy)]


def _drained(known: Standing) -> list[NoWork]:
    if not known.draining or (known.is_copied and known.drained_at is None):
        return []
    by = f" (by {known.drained_by})" if known.drained_by else ""
    reason = f": {known.drain_reason}" if known.drain_reason else ""
    remedy = f"botyard runner resume {known.name}."
    return [
        NoWork(code=NoWorkCode.DRAINED, message=f"It is drained{reason}{by}.", since=known.drained_at, remedy=remedy)
    ]


def _in_window(known: Standing) -> list[NoWork]:
    window = known.window
    if window is None:
        return []
    told = f"It is in maintenance until {window.ends_at:%Y-%m-%d %H:%M} UTC: {window.reason} (by {window.created_by})."
    remedy = f"To end it now: botyard runner window remove {known.name} {window.id}."
    return [NoWork(code=NoWorkCode.MAINTENANCE, message=told, since=window.starts_at, remedy=remedy)]


def _unfit(known: Standing, now: datetime) -> list[NoWork]:
    found = []
    for desktop, fault in conditions.all_faults(known.condition):
        application = conditions.application_of(fault)
        scope = Scope.DESKTOP if desktop else Scope.APPLICATION
        if desktop is None and fault.code in conditions.CLOSING:
            scope, application = Scope.ALL, None
        told = conditions.sentence(desktop, fault, now)
        found.append(
            NoWork(
                code=NoWorkCode.UNFIT,
                message=_as_sentence(told, fault.application),
                since=fault.since,
                remedy=fault.remedy,
                scope=scope,
                fault=fault.code,
                slot=desktop.slot if desktop else None,
                application=application,
            )
        )
    return sorted(found, key=lambda one: one.scope is not Scope.ALL)


def _as_sentence(told: str, name: str | None) -> str:
    """With a capital, unless it begins with an application's name, which stays as it is."""
    return f"{told}." if name and told.startswith(name) else f"{told[:1].upper()}{told[1:]}."


def _of_offer(known: Standing, found: Sequence[NoWork]) -> list[NoWork]:
    """What its session says; a full house is only told of one that nothing else keeps from work."""
    offer = known.offer
    if offer is None or not known.is_linked:
        return []
    words = _own_words(offer, known.condition)
    if not offer.is_ready and (words or not any(one.scope is Scope.ALL for one in found)):
        told = f"It takes no new work{': ' + '; '.join(words) if words else ''}."
        remedy = f"Mend that on {known.name}: botyard-agent status there says more."
        return [NoWork(code=NoWorkCode.CLOSED, message=told, remedy=remedy)]
    if offer.is_paused:
        told = "It sent orders back unstarted; it is given another soon."
        return [NoWork(code=NoWorkCode.PAUSED, message=told)]
    if offer.free or any(one.scope is Scope.ALL for one in found):
        return []
    if len(known.tasks) >= known.slots:
        told = f"Its slots are busy: {known.slots} of {known.slots} (tasks {', '.join(known.tasks[:5])})."
        return [NoWork(code=NoWorkCode.BUSY, message=told, since=known.busy_since)]
    remedy = f"botyard-agent status on {known.name} says why."
    return [NoWork(code=NoWorkCode.NO_SLOT, message="It offers no slot now.", remedy=remedy)]


def _own_words(offer: Offer, condition: Condition | None) -> list[str]:
    """Why its daemon takes nothing, but for what is told already: a drain, and a word for each fault that closes it."""
    words = [word for word in offer.unfit if word != CLOSED_BY_DRAIN]
    faults = conditions.closing(condition)
    others = [word for word in words if not any(word in {fault.code, fault.message} for fault in faults)]
    unnamed = sum(not {fault.code, fault.message} & {*words} for fault in faults)
    return others if len(others) > unnamed else []
