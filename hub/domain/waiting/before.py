"""Reasons of a task that no runner may have yet: its moment, other tasks, a restored backup, a stop."""

from datetime import datetime

from agent.wire.words import TaskState
from hub.domain.placement import may_start
from hub.domain.prerequisite import Standing, When, standing
from hub.domain.waiting.known import Waiting
from hub.domain.waiting.reason import WaitingCode, WaitingReason, few, latest


def of_waiting(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """It waits for tasks, for a moment, or for both; and would be held, or kept by a stop, after that."""
    is_early = waiting.not_before is not None and waiting.not_before > waiting.now
    reasons = [] if waiting.after is None else _prerequisite(waiting, waiting.after, is_early=is_early)
    if is_early or not reasons:
        reasons.append(_not_before(waiting))
    if waiting.held:
        reasons.append(held(waiting, waiting.queued_at))
    return (*reasons, *of_stop(waiting))


def _prerequisite(waiting: Waiting, when: When, *, is_early: bool) -> list[WaitingReason]:
    """Which tasks it waits for that have not ended; nothing where only its moment has not come."""
    code, since = WaitingCode.PREREQUISITE, waiting.created_at
    match standing(when, [one.outcome for one in waiting.prerequisites]):
        case Standing.OPEN:
            pass
        case Standing.MET if is_early:
            return []
        case _:
            message = "The tasks that it waits for have ended; it is decided in a moment."
            return [WaitingReason(code=code, message=message, since=since)]
    still = [one for one in waiting.prerequisites if one.state is not TaskState.FINISHED]
    names = few([f"{one.name} ({one.automation}, {one.state})" for one in still])
    how = {When.SUCCEEDED: "to succeed", When.FINISHED: "to finish", When.ANY: "until one of them succeeds"}
    message = f"It waits for {len(still)} of its {len(waiting.prerequisites)} prerequisites {how[when]}: {names}."
    remedy = f"See what holds that one: botyard task why {still[0].name}; or give this one up: botyard task cancel ID."
    return [WaitingReason(code=code, message=message, since=since, remedy=remedy)]


def _not_before(waiting: Waiting) -> WaitingReason:
    moment = f"{waiting.not_before:%Y-%m-%d %H:%M:%S} UTC" if waiting.not_before else "its moment"
    if waiting.tried is not None:
        tried = waiting.tried
        message = f"It is tried again at {moment}: attempt {tried.nth} of {tried.limit} after {tried.ended}."
        return WaitingReason(code=WaitingCode.NOT_BEFORE, message=message, since=tried.since)
    message = f"It is not to start before {moment}."
    return WaitingReason(code=WaitingCode.NOT_BEFORE, message=message, since=waiting.created_at)


def held(waiting: Waiting, since: datetime | None) -> WaitingReason:
    """The hub was restored from a backup: what ran since is not known, or is (R20)."""
    message, runner = f"It is held: {waiting.held}.", None
    remedy = "Look what it did there; then botyard task release-held ID, or accept-late, or cancel."
    if waiting.held == "restored":
        message = "It is held: the hub was restored from a backup, and it may have run since."
        remedy = "botyard task release-held ID lets it run in any case."
    if waiting.held == "restored" and waiting.unshown:
        runner = waiting.unshown[0]
        message += f" Not seen since: {few(waiting.unshown)}."
        remedy = "Start these runners, or revoke what is gone for good; botyard task release-held ID lets it run."
    return WaitingReason(code=WaitingCode.HELD, message=message, runner=runner, since=since, remedy=remedy)


def of_stop(waiting: Waiting) -> tuple[WaitingReason, ...]:
    """A failure stopped its automation: nothing of it starts until somebody says so."""
    at = waiting.stopped.at
    if at is None or may_start(at):
        return ()
    name, why = waiting.automation, waiting.stopped.why
    message = f"{name} is stopped since {at:%Y-%m-%d %H:%M:%S} UTC, by the hub: {why}. None of its tasks starts."
    remedy = f"Mend the cause, then botyard automation edit {name} --unpause."
    return (
        WaitingReason(code=WaitingCode.STOPPED, message=message, since=latest(waiting.queued_at, at), remedy=remedy),
    )
