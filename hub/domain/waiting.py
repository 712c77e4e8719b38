"""Why does a task wait? Sentences that say what to do next (design.md §3, step 2).

`why` is pure: it is told what the database and the credit book know, and names every reason, the first to act on first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FitCandidate:
    """A runner as placement sees it."""

    id: str
    name: str
    labels: Mapping[str, str]
    slots: int
    is_connected: bool
    is_draining: bool
    preparation: PreparationState | None = None
    progress: float = 0.0
    message: str = ""
    permanent: bool = False


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
    permit_runner: str | None = None
    """Name of the runner that has the permit and has not answered yet."""
    permit_age_s: float = 0.0
    unreachable_s: float | None = None
    """Since the link of that runner is gone."""


def why(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """Every reason why it waits; empty when it does not."""
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
    return WaitingReason(code=WaitingCode.NOT_BEFORE, message=f"It is not to start before {moment}.")


def _of_permit(waiting: Waiting) -> tuple[WaitingReason, ...]:
    if waiting.permit_runner is None:
        return ()
    name = waiting.permit_runner
    if waiting.unreachable_s is not None:
        message = f"{name} got it and is not reachable for {waiting.unreachable_s:.0f} s; it may be running there."
        return (WaitingReason(code=WaitingCode.UNREACHABLE, message=message, runner=name),)
    message = f"{name} got it {waiting.permit_age_s:.0f} s ago and has not answered yet."
    return (WaitingReason(code=WaitingCode.PERMIT_OUT, message=message, runner=name),)


def _of_queue(waiting: Waiting) -> tuple[WaitingReason, ...]:
    if waiting.held:
        return (WaitingReason(code=WaitingCode.HELD, message=f"It is held: {waiting.held}."),)
    if waiting.build_id is None:
        message = f"Bot {waiting.bot} has no released build: botyard deploy PATH --bot {waiting.bot}."
        return (WaitingReason(code=WaitingCode.NO_BUILD, message=message),)
    fit = [runner for runner in waiting.runners if fits(runner.labels, waiting.needs)]
    if not fit:
        return (_no_runner(waiting),)
    online = [runner for runner in fit if runner.is_connected]
    if not online:
        names = _names(fit)
        message = f"No runner that fits is connected: {names}. Start botyard-agent there."
        return (WaitingReason(code=WaitingCode.RUNNERS_OFFLINE, message=message),)
    if all(runner.is_draining for runner in online):
        message = f"Runners that fit take no new work: {_names(online)}. botyard runner resume NAME ends that."
        return (WaitingReason(code=WaitingCode.RUNNERS_DRAINING, message=message),)
    working = [runner for runner in online if not runner.is_draining]
    return tuple(_of_runner(runner) for runner in working if not _is_prepared(waiting, runner)) + _of_busy(
        waiting, [runner for runner in working if _is_prepared(waiting, runner)]
    )


def _no_runner(waiting: Waiting) -> WaitingReason:
    if not waiting.runners:
        message = "There is no runner yet: botyard runner token gives the command that brings one in."
        return WaitingReason(code=WaitingCode.NO_RUNNER, message=message)
    missing = unmet([runner.labels for runner in waiting.runners], waiting.needs)
    if missing:
        listed = ", ".join(missing)
        message = f"No runner has the label {listed}. Bring one in with it, or change what the automation needs."
    else:
        listed = ", ".join(f"{name}={value}" for name, value in sorted(waiting.needs.items()))
        message = f"No single runner has all of {listed}. Bring one in, or change what the automation needs."
    return WaitingReason(code=WaitingCode.NO_RUNNER, message=message)


def _is_prepared(waiting: Waiting, runner: FitCandidate) -> bool:
    offer = waiting.offers.get(runner.id)
    if offer is None:
        return runner.preparation is PreparationState.PREPARED
    return waiting.build_id in offer.builds


def _of_runner(runner: FitCandidate) -> WaitingReason:
    """Why this connected runner does not have the build."""
    name = runner.name
    match runner.preparation:
        case PreparationState.FAILED:
            again = "" if runner.permanent else " It is tried again."
            message = f"{name} failed to prepare it: {runner.message or 'no reason given'}.{again}"
            return WaitingReason(code=WaitingCode.PREPARE_FAILED, message=message, runner=name)
        case PreparationState.FETCHING | PreparationState.INSTALLING:
            doing = "fetching" if runner.preparation is PreparationState.FETCHING else "installing"
            message = f"Preparing on {name}: {doing}, {runner.progress:.0%}."
        case _:
            message = f"Preparing on {name}: asked for, not begun."
    return WaitingReason(code=WaitingCode.PREPARING, message=message, runner=name)


def _of_busy(waiting: Waiting, prepared: Sequence[FitCandidate]) -> tuple[WaitingReason, ...]:
    """Why runners that have the build do not take it."""
    reasons = []
    free = 0
    busy = []
    for runner in prepared:
        offer = waiting.offers.get(runner.id)
        if offer is not None and not offer.is_ready:
            message = f"{runner.name} says that it is not fit to run bots: botyard-agent doctor there says why."
            reasons.append(WaitingReason(code=WaitingCode.NOT_READY, message=message, runner=runner.name))
        elif offer is not None and (waiting.build_id in offer.withheld or offer.is_paused):
            message = f"{runner.name} sent the last order back unstarted; it is given another soon."
            reasons.append(WaitingReason(code=WaitingCode.WITHHELD, message=message, runner=runner.name))
        else:
            free += offer.free if offer else 0
            busy.append(runner)
    slots = sum(runner.slots for runner in busy)
    if busy and free == 0:
        message = f"All {slots} slots of runners that fit are busy: {_names(busy)}."
        reasons.append(WaitingReason(code=WaitingCode.BUSY, message=message))
    elif busy:
        message = f"{free} of {slots} slots are free; it is next, or others are before it."
        reasons.append(WaitingReason(code=WaitingCode.NEXT, message=message))
    return tuple(reasons)


def _names(runners: Sequence[FitCandidate]) -> str:
    names = [runner.name for runner in runners]
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
