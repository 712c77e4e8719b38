"""Why does a task wait? Sentences that say what to do next (design.md §3, step 2).

`why` is pure: it is told what the database and the credit book know, and names every reason, the first to act on first:
since when it holds the task, which runner is nearest, and the one change that would end it.
"""

from datetime import timedelta

from agent.wire.words import TaskState
from hub.domain.condition import could_fit
from hub.domain.waiting.before import held, of_stop, of_waiting
from hub.domain.waiting.known import FitCandidate, Limited, Stopped, TriedBefore, Waiting
from hub.domain.waiting.of_conditions import of_unfit
from hub.domain.waiting.of_limits import of_limits
from hub.domain.waiting.of_runners import draining, in_maintenance, is_prepared, no_runner, of_busy, of_runner, offline
from hub.domain.waiting.reason import WaitingCode, WaitingReason

__all__ = ["FitCandidate", "Limited", "Stopped", "TriedBefore", "Waiting", "WaitingCode", "WaitingReason", "why"]


def why(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """Every reason why it waits, the first to act on first; empty when it does not."""
    match waiting.state:
        case TaskState.WAITING:
            return of_waiting(waiting)
        case TaskState.RUNNING:
            is_held = (held(waiting, waiting.queued_at),) if waiting.held else ()
            return _of_permit(waiting) or is_held
        case TaskState.FINISHED:
            return ()
        case TaskState.QUEUED:
            return (*_of_shared(waiting), *_of_avoided(waiting))


def _of_permit(waiting: Waiting) -> tuple[WaitingReason, ...]:
    if waiting.permit_runner is None:
        return ()
    name = waiting.permit_runner
    if waiting.unreachable_s is not None:
        message = f"{name} got it and is not reachable for {waiting.unreachable_s:.0f} s; it may be running there."
        since = waiting.now - timedelta(seconds=waiting.unreachable_s)
        remedy = "Bring its machine back; or give it up: botyard task give-up ID, or cancel ID --force."
        code = WaitingCode.UNREACHABLE
        return (WaitingReason(code=code, message=message, runner=name, since=since, remedy=remedy),)
    message = f"{name} got it {waiting.permit_age_s:.0f} s ago and has not answered yet."
    since = waiting.now - timedelta(seconds=waiting.permit_age_s)
    return (WaitingReason(code=WaitingCode.PERMIT_OUT, message=message, runner=name, since=since),)


def _of_shared(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """A stop and limits first: with one of them it is not next, whoever is free."""
    reasons, stop = _of_queue(waiting), of_stop(waiting)
    if waiting.held:
        return (*reasons, *stop)
    shared = (*stop, *of_limits(waiting))
    return (*shared, *(one for one in reasons if not shared or one.code is not WaitingCode.NEXT))


def _of_queue(waiting: Waiting) -> tuple[WaitingReason, ...]:
    since = waiting.queued_at
    if waiting.held:
        return (held(waiting, since),)
    if waiting.build_id is None:
        message = f"Bot {waiting.bot} has no released build."
        remedy = f"botyard deploy PATH --bot {waiting.bot}, or botyard bot release {waiting.bot} VERSION."
        return (WaitingReason(code=WaitingCode.NO_BUILD, message=message, since=since, remedy=remedy),)
    fit = [one for one in waiting.runners if _could_take(waiting, one)]
    online = [runner for runner in fit if runner.is_connected]
    if not fit:
        return (no_runner(waiting),)
    if not online:
        return (offline(waiting, fit),)
    drained = [runner for runner in online if runner.is_draining]
    in_windows = [runner for runner in online if not runner.is_draining and runner.window is not None]
    kept = in_maintenance(waiting, in_windows)
    if len(drained) + len(in_windows) == len(online):
        return (*kept, draining(waiting, drained)) if drained else kept
    working = [runner for runner in online if not runner.is_draining and runner.window is None]
    unfit = [runner for runner in working if not runner.usable_slots(waiting.needs)]
    unprepared = [runner for runner in working if not is_prepared(waiting, runner)]
    prepared = [runner for runner in working if is_prepared(waiting, runner) and runner not in unfit]
    told = (*(of_runner(waiting, runner) for runner in unprepared), *of_unfit(waiting, unfit))
    return (*told, *of_busy(waiting, prepared), *kept)


def _could_take(waiting: Waiting, runner: FitCandidate) -> bool:
    """It has what is needed, fit or not, and the task is not kept from it."""
    return could_fit(runner.labels, runner.condition, waiting.needs) and runner.name != waiting.avoided


def _of_avoided(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """It failed somewhere, and another runner fits."""
    if not waiting.avoided:
        return ()
    name, code = waiting.avoided, WaitingCode.OTHER_RUNNER
    ended = f": {waiting.tried.ended}" if waiting.tried else ""
    message = f"It is kept from {name}, where it failed{ended}, while another runner fits."
    return (WaitingReason(code=code, message=message, runner=name, since=waiting.queued_at),)
