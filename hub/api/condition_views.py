"""What runners have and why they get no work, as clients see it."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from agent.wire.condition import ConditionFault, DesktopKind, FaultCode
from hub.api.call import View
from hub.domain.condition import all_faults
from hub.domain.credits import Offer
from hub.domain.no_work import NoWork as Reason
from hub.domain.no_work import NoWorkCode, Scope, Standing, reasons
from hub.services.runners import RunnerView
from hub.storage.runner_pages import BusySlot


class Fault(View):
    """One thing that is wrong with a desktop."""

    code: FaultCode
    message: str
    remedy: str
    since: datetime


class Desktop(View):
    """A desktop of a runner."""

    slot: int = Field(description="Bots in this slot get it, and no others.")
    kind: DesktopKind
    name: str
    is_virtual: bool = Field(description="Made by the runner, with nobody before it.")
    width: int | None
    height: int | None
    dpi: int | None
    user: str
    is_locked: bool | None
    is_fit: bool = Field(description="A bot can use it now.")
    faults: list[Fault]


class NoWork(View):
    """Why a runner gets no work, or not all of it."""

    code: NoWorkCode
    message: str
    since: datetime | None
    remedy: str = Field(description="What ends it; empty where waiting is all there is to do.")
    scope: Scope = Field(description="Which work it keeps away: all, or what needs that desktop or application.")
    fault: FaultCode | None
    slot: int | None = Field(description="Whose desktop it is about.")
    application: str | None


def desktop_views(runner: RunnerView) -> list[Desktop]:
    """Its desktops, by slot."""
    told = runner.condition.desktops if runner.condition else ()
    return [
        Desktop(
            **one.model_dump(exclude={"faults"}), is_fit=not one.faults, faults=[_fault(fault) for fault in one.faults]
        )
        for one in told
    ]


def codes(runner: RunnerView) -> list[FaultCode]:
    """What is wrong with it, each once."""
    return list(dict.fromkeys(fault.code for _, fault in all_faults(runner.condition)))


def no_work(runner: RunnerView, busy: Sequence[BusySlot], offer: Offer | None, now: datetime) -> list[NoWork]:
    """Why it gets no work, the first to act on first."""
    standing = Standing(
        name=runner.name,
        slots=runner.slots,
        is_linked=runner.is_linked,
        gone_since=runner.unreachable_since or runner.last_seen_at,
        revoked_at=runner.revoked_at,
        quarantined_at=runner.quarantined_at,
        quarantine_reason=runner.quarantine_reason,
        is_copied=runner.is_copied,
        draining=runner.draining,
        drain_reason=runner.drain_reason,
        drained_by=runner.drained_by,
        drained_at=runner.drained_at,
        window=runner.window,
        condition=runner.condition,
        offer=offer,
        tasks=[f"{one.number}.{one.round}" if one.round > 1 else str(one.number) for one in busy],
        busy_since=max((one.since for one in busy), default=None),
    )
    return [_no_work(one) for one in reasons(standing, now)]


def _no_work(one: Reason) -> NoWork:
    return NoWork(**{name: getattr(one, name) for name in NoWork.model_fields})


def _fault(fault: ConditionFault) -> Fault:
    return Fault(code=fault.code, message=fault.message, remedy=fault.remedy, since=fault.since)
