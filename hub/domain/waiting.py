"""Why does a task wait? Sentences that say what to do next (design.md §3, step 2).

`why` is pure: it is told what the database and the credit book know, and names every reason, the first to act on first:
since when it holds the task, which runner is nearest, and the one change that would end it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agent.wire.words import PreparationState, TaskState
from hub.domain.credits import Offer
from hub.domain.placement import fits, unmet


class WaitingCode(StrEnum):
    """The reasons, a closed list."""

    NOT_BEFORE = "not_before"
    HELD = "held"
    NO_BUILD = "no_build"
    NO_RUNNER = "no_runner"
    RUNNERS_OFFLINE = "runners_offline"
    RUNNERS_DRAINING = "runners_draining"
    NOT_READY = "not_ready"
    PREPARING = "preparing"
    PREPARE_FAILED = "prepare_failed"
    WITHHELD = "withheld"
    BUSY = "busy"
    NEXT = "next"
    PERMIT_OUT = "permit_out"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReason:
    """One reason, for programs and for people."""

    code: WaitingCode
    message: str
    runner: str | None = None
    """The runner that it is about; for a missing label the one that lacks least."""
    since: datetime | None = None
    """From when it has held this task, as far as the hub knows."""
    remedy: str = ""
    """The one change that would end this reason; empty where waiting is all there is to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitCandidate:
    """A runner as placement sees it."""

    id: str
    name: str
    labels: Mapping[str, str]
    slots: int
    is_connected: bool
    is_draining: bool
    gone_since: datetime | None = None
    """Since when it has no link."""
    preparation: PreparationState | None = None
    progress: float = 0.0
    message: str = ""
    permanent: bool = False
    told_at: datetime | None = None
    """When it last said something of the build."""
    busy_with: Sequence[str] = ()
    """Tasks that it has, by number."""
    busy_since: datetime | None = None
    """When the newest of them was granted."""


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


def why(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """Every reason why it waits, the first to act on first; empty when it does not."""
    match waiting.state:
        case TaskState.WAITING:
            return (_not_before(waiting),)
        case TaskState.RUNNING:
            return _of_permit(waiting)
        case TaskState.FINISHED:
            return ()
        case TaskState.QUEUED:
            return _of_queue(waiting)


def _not_before(waiting: Waiting) -> WaitingReason:
    moment = f"{waiting.not_before:%Y-%m-%d %H:%M:%S} UTC" if waiting.not_before else "its moment"
    message = f"It is not to start before {moment}."
    return WaitingReason(code=WaitingCode.NOT_BEFORE, message=message, since=waiting.created_at)


def _of_permit(waiting: Waiting) -> tuple[WaitingReason, ...]:
    if waiting.permit_runner is None:
        return ()
    name = waiting.permit_runner
    if waiting.unreachable_s is not None:
        message = f"{name} got it and is not reachable for {waiting.unreachable_s:.0f} s; it may be running there."
        since = waiting.now - timedelta(seconds=waiting.unreachable_s)
        remedy = "Bring its machine back; or give it up: botyard task cancel ID --force."
        code = WaitingCode.UNREACHABLE
        return (WaitingReason(code=code, message=message, runner=name, since=since, remedy=remedy),)
    message = f"{name} got it {waiting.permit_age_s:.0f} s ago and has not answered yet."
    since = waiting.now - timedelta(seconds=waiting.permit_age_s)
    return (WaitingReason(code=WaitingCode.PERMIT_OUT, message=message, runner=name, since=since),)


def _of_queue(waiting: Waiting) -> tuple[WaitingReason, ...]:
    since = waiting.queued_at
    if waiting.held:
        return (WaitingReason(code=WaitingCode.HELD, message=f"It is held: {waiting.held}.", since=since),)
    if waiting.build_id is None:
        message = f"Bot {waiting.bot} has no released build."
        remedy = f"botyard deploy PATH --bot {waiting.bot}, or botyard bot release {waiting.bot} VERSION."
        return (WaitingReason(code=WaitingCode.NO_BUILD, message=message, since=since, remedy=remedy),)
    fit = [runner for runner in waiting.runners if fits(runner.labels, waiting.needs)]
    online = [runner for runner in fit if runner.is_connected]
    if not fit:
        return (_no_runner(waiting),)
    if not online:
        return (_offline(waiting, fit),)
    if all(runner.is_draining for runner in online):
        message = f"Runners that fit take no new work: {_names(online)}."
        name = online[0].name
        remedy = f"botyard runner resume {name}."
        code = WaitingCode.RUNNERS_DRAINING
        return (WaitingReason(code=code, message=message, runner=name, since=since, remedy=remedy),)
    working = [runner for runner in online if not runner.is_draining]
    unprepared = [runner for runner in working if not _is_prepared(waiting, runner)]
    prepared = [runner for runner in working if _is_prepared(waiting, runner)]
    return tuple(_of_runner(waiting, runner) for runner in unprepared) + _of_busy(waiting, prepared)


def _offline(waiting: Waiting, fit: Sequence[FitCandidate]) -> WaitingReason:
    """None of the fit runners has a link: the one that went last is the nearest."""
    nearest = max(fit, key=lambda runner: runner.gone_since.timestamp() if runner.gone_since else 0.0)
    return WaitingReason(
        code=WaitingCode.RUNNERS_OFFLINE,
        message=f"No runner that fits is connected: {_names(fit)}.",
        runner=nearest.name,
        since=_latest(waiting.queued_at, nearest.gone_since),
        remedy=f"Start botyard-agent on {nearest.name}.",
    )


def _no_runner(waiting: Waiting) -> WaitingReason:
    code, since = WaitingCode.NO_RUNNER, waiting.queued_at
    if not waiting.runners:
        remedy = "botyard runner token gives the command that brings one in."
        return WaitingReason(code=code, message="There is no runner yet.", since=since, remedy=remedy)
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


def _is_prepared(waiting: Waiting, runner: FitCandidate) -> bool:
    offer = waiting.offers.get(runner.id)
    if offer is None:
        return runner.preparation is PreparationState.PREPARED
    return waiting.build_id in offer.builds


def _of_runner(waiting: Waiting, runner: FitCandidate) -> WaitingReason:
    """Why this connected runner does not have the build."""
    name, since, remedy = runner.name, waiting.queued_at, ""
    code = WaitingCode.PREPARING
    match runner.preparation:
        case PreparationState.FAILED:
            code, since = WaitingCode.PREPARE_FAILED, _latest(since, runner.told_at)
            again = "" if runner.permanent else " It is tried again."
            message = f"{name} failed to prepare it: {runner.message or 'no reason given'}.{again}"
            remedy = "Mend that there, or deploy a build that it can prepare." if runner.permanent else ""
        case PreparationState.FETCHING | PreparationState.INSTALLING:
            doing = "fetching" if runner.preparation is PreparationState.FETCHING else "installing"
            message = f"Preparing on {name}: {doing}, {runner.progress:.0%}."
        case _:
            message = f"Preparing on {name}: asked for, not begun."
    return WaitingReason(code=code, message=message, runner=name, since=since, remedy=remedy)


def _of_busy(waiting: Waiting, prepared: Sequence[FitCandidate]) -> tuple[WaitingReason, ...]:
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
    free = sum(offer.free for runner in busy if (offer := waiting.offers.get(runner.id)))
    slots = sum(runner.slots for runner in busy)
    others = f" {waiting.ahead} of its kind come first." if waiting.ahead else ""
    if free:
        message = f"{free} of {slots} slots are free; it is next, or others are before it.{others}"
        return WaitingReason(code=WaitingCode.NEXT, message=message, since=waiting.queued_at)
    numbers = [number for runner in busy for number in runner.busy_with]
    held = f" (tasks {_few(numbers)})" if numbers else ""
    message = f"All {slots} slots of runners that fit are busy: {_names(busy)}{held}.{others}"
    since = _latest(waiting.queued_at, *(runner.busy_since for runner in busy))
    nearest = busy[0].name
    remedy = "It starts when one of them ends; another runner, more slots (--slots) or --priority 10 make it sooner."
    return WaitingReason(code=WaitingCode.BUSY, message=message, runner=nearest, since=since, remedy=remedy)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((one for one in moments if one is not None), default=None)


def _names(runners: Sequence[FitCandidate]) -> str:
    return _few([runner.name for runner in runners])


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
