"""Reasons that are the runners': none fits, none is here, none takes work, none is ready, none is free."""

from collections.abc import Sequence

from agent.wire.words import PreparationState
from hub.domain.condition import reserved
from hub.domain.credits import Offer
from hub.domain.placement import unmet
from hub.domain.waiting.known import FitCandidate, Waiting
from hub.domain.waiting.of_conditions import no_desktop
from hub.domain.waiting.reason import WaitingCode, WaitingReason, few, latest


def offline(waiting: Waiting, fit: Sequence[FitCandidate]) -> WaitingReason:
    """None of the fit runners has a link: the one that went last is the nearest."""
    nearest = max(fit, key=lambda runner: runner.gone_since.timestamp() if runner.gone_since else 0.0)
    return WaitingReason(
        code=WaitingCode.RUNNERS_OFFLINE,
        message=f"No runner that fits is connected: {names(fit)}.",
        runner=nearest.name,
        since=latest(waiting.queued_at, nearest.gone_since),
        remedy=f"Start botyard-agent on {nearest.name}.",
    )


def draining(waiting: Waiting, runners: Sequence[FitCandidate]) -> WaitingReason:
    """People keep all of them from new work."""
    nearest = runners[0]
    message = f"Runners that fit take no new work: {few([_drained(one) for one in runners])}."
    return WaitingReason(
        code=WaitingCode.RUNNERS_DRAINING,
        message=message,
        runner=nearest.name,
        since=latest(waiting.queued_at, nearest.drained_at),
        remedy=f"botyard runner resume {nearest.name}.",
    )


def in_maintenance(waiting: Waiting, runners: Sequence[FitCandidate]) -> tuple[WaitingReason, ...]:
    """Runners in a maintenance window, the one that comes back first before the others; five at most."""
    back = [(one.free_at or one.window.ends_at, one.window, one.name) for one in runners if one.window is not None]
    return tuple(
        WaitingReason(
            code=WaitingCode.MAINTENANCE,
            message=f"{name} is in maintenance until {until:%Y-%m-%d %H:%M:%S} UTC: {window.reason}"
            f" (by {window.created_by}). It gets work again then.",
            runner=name,
            since=latest(waiting.queued_at, window.starts_at),
            remedy=f"To end it now: botyard runner window remove {name} {window.id}.",
        )
        for until, window, name in sorted(back, key=lambda one: (one[0], one[2]))[:5]
    )


def _drained(runner: FitCandidate) -> str:
    since = f" since {runner.drained_at:%Y-%m-%d %H:%M} UTC" if runner.drained_at else ""
    reason = f": {runner.drain_reason}" if runner.drain_reason else ""
    return runner.name + since + reason + (f" (by {runner.drained_by})" if runner.drained_by else "")


def no_runner(waiting: Waiting) -> WaitingReason:
    """None has the labels; the one that lacks least is the nearest."""
    code, since = WaitingCode.NO_RUNNER, waiting.queued_at
    if not waiting.runners:
        remedy = "botyard runner token gives the command that brings one in."
        return WaitingReason(code=code, message="There is no runner yet.", since=since, remedy=remedy)
    if reserved(waiting.needs):
        return no_desktop(waiting)
    missing = unmet([runner.labels for runner in waiting.runners], waiting.needs)
    if missing:
        message = f"No runner has the label {', '.join(missing)}."
    else:
        listed = ", ".join(f"{name}={value}" for name, value in sorted(waiting.needs.items()))
        message = f"No single runner has all of {listed}."
    lacks = {runner.name: unmet([runner.labels], waiting.needs) for runner in waiting.runners}
    nearest = min(lacks, key=lambda name: len(lacks[name]))
    wanted = " ".join(f"--label {one if '=' in one else one + '=VALUE'}" for one in lacks[nearest])
    message += f" {nearest} lacks only {', '.join(lacks[nearest])}."
    remedy = f"Bring a runner in with it: botyard runner token {wanted}; or change what {waiting.automation} needs."
    return WaitingReason(code=code, message=message, runner=nearest, since=since, remedy=remedy)


def is_prepared(waiting: Waiting, runner: FitCandidate) -> bool:
    """Whether the build is ready there, as its session says, or as it said last."""
    offer = waiting.offers.get(runner.id)
    if offer is None:
        return runner.preparation is PreparationState.PREPARED
    return waiting.build_id in offer.builds


def of_runner(waiting: Waiting, runner: FitCandidate) -> WaitingReason:
    """Why this connected runner does not have the build."""
    name, since, remedy = runner.name, waiting.queued_at, ""
    code = WaitingCode.PREPARING
    match runner.preparation:
        case PreparationState.FAILED:
            code, since = WaitingCode.PREPARE_FAILED, latest(since, runner.told_at)
            again = "" if runner.permanent else " It is tried again."
            message = f"{name} failed to prepare it: {runner.message or 'no reason given'}.{again}"
            remedy = "Mend that there, or deploy a build that it can prepare." if runner.permanent else ""
        case PreparationState.FETCHING | PreparationState.INSTALLING:
            doing = "fetching" if runner.preparation is PreparationState.FETCHING else "installing"
            message = f"Preparing on {name}: {doing}, {runner.progress:.0%}."
        case _:
            message = f"Preparing on {name}: asked for, not begun."
    return WaitingReason(code=code, message=message, runner=name, since=since, remedy=remedy)


def of_busy(waiting: Waiting, prepared: Sequence[FitCandidate]) -> tuple[WaitingReason, ...]:
    """Why runners that have the build do not take it."""
    reasons = []
    busy = []
    for runner in prepared:
        offer = waiting.offers.get(runner.id)
        if offer is not None and not offer.is_ready:
            reasons.append(_unfit(waiting, runner, offer))
        elif offer is not None and (waiting.build_id in offer.withheld or offer.is_paused):
            message = f"{runner.name} sent the last order back unstarted; it is given another soon."
            code, since = WaitingCode.WITHHELD, waiting.queued_at
            reasons.append(WaitingReason(code=code, message=message, runner=runner.name, since=since))
        else:
            busy.append(runner)
    return (*reasons, *([_next(waiting, busy)] if busy else []))


def _unfit(waiting: Waiting, runner: FitCandidate, offer: Offer) -> WaitingReason:
    said = f": {'; '.join(offer.unfit)}" if offer.unfit else ""
    return WaitingReason(
        code=WaitingCode.NOT_READY,
        message=f"{runner.name} says that it is not fit to run bots{said}.",
        runner=runner.name,
        since=waiting.queued_at,
        remedy=f"Mend that on {runner.name}: botyard-agent status there says more.",
    )


def _next(waiting: Waiting, busy: Sequence[FitCandidate]) -> WaitingReason:
    """All who could take it have no free slot, or one is free and others come first."""
    usable = {runner.id: runner.usable_slots(waiting.needs) for runner in busy}
    offered = [(one, offer.free_slots) for one in busy if (offer := waiting.offers.get(one.id))]
    free = sum(len(one.usable_slots(waiting.needs, slots)) for one, slots in offered)
    slots = sum(len(one) for one in usable.values())
    others = f" {waiting.ahead} of its kind come first." if waiting.ahead else ""
    if free:
        message = f"{free} of {slots} slots are free; it is next, or others are before it.{others}"
        return WaitingReason(code=WaitingCode.NEXT, message=message, since=waiting.queued_at)
    numbers = [number for runner in busy for number in runner.busy_with]
    held = f" (tasks {few(numbers)})" if numbers else ""
    all_ = "The one slot of runners that fit is" if slots == 1 else f"All {slots} slots of runners that fit are"
    message = f"{all_} busy: {names(busy)}{held}.{others}"
    since = latest(waiting.queued_at, *(runner.busy_since for runner in busy))
    nearest = busy[0].name
    remedy = "It starts when one of them ends; another runner, more slots (--slots) or --priority 10 make it sooner."
    return WaitingReason(code=WaitingCode.BUSY, message=message, runner=nearest, since=since, remedy=remedy)


def names(runners: Sequence[FitCandidate]) -> str:
    """The first of them by name."""
    return few([runner.name for runner in runners])
