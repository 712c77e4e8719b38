"""Tasks that wait for other tasks: when what they wait for is met, and when it never can be.

A prerequisite is one round of a task: a restart of it is another task, which nobody waits for who did not name it. A
try again of the same task (a void, a retry) is not its end. ``partial`` is an end, but no success: who can live with it
asks for `When.FINISHED`. What was decided stays: an amendment of a finished prerequisite changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.wire.words import Outcome, TaskState
from hub.domain.parameters import Fault

PREREQUISITES_MAX = 100


class When(StrEnum):
    """How the prerequisites must have ended."""

    SUCCEEDED = "succeeded"
    """All of them succeeded; impossible as soon as one ended otherwise."""
    FINISHED = "finished"
    """All of them have finished, in whatever way."""
    ANY = "any"
    """At least one of them succeeded; impossible when all have finished and none did."""


class Standing(StrEnum):
    """What the ends of the prerequisites mean for the task that waits for them."""

    OPEN = "open"
    MET = "met"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What a new task is to wait for."""

    tasks: tuple[str, ...]
    """Ids, numbers (the newest round of now), or ``number.round``."""
    when: When = When.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """One task that another waits for, as it stands."""

    id: str
    number: int
    round: int
    automation: str
    state: TaskState
    outcome: Outcome | None
    settled_at: datetime | None = None

    @property
    def name(self) -> str:
        """As people name it."""
        return f"{self.number}.{self.round}" if self.round > 1 else str(self.number)


def standing(when: When, outcomes: Sequence[Outcome | None]) -> Standing:
    """What follows from the outcomes of all prerequisites; None is one that has not finished."""
    unfinished = Standing.OPEN if None in outcomes else None
    match when:
        case When.SUCCEEDED:
            is_spoilt = any(one not in {None, Outcome.SUCCEEDED} for one in outcomes)
            return Standing.IMPOSSIBLE if is_spoilt else unfinished or Standing.MET
        case When.FINISHED:
            return unfinished or Standing.MET
        case When.ANY:
            return Standing.MET if Outcome.SUCCEEDED in outcomes else unfinished or Standing.IMPOSSIBLE


def met_at(when: When, prerequisites: Sequence[Prerequisite]) -> datetime | None:
    """When what it waited for was met; None when it is not, or never will be."""
    if standing(when, [one.outcome for one in prerequisites]) is not Standing.MET:
        return None
    counted = [one for one in prerequisites if when is not When.ANY or one.outcome is Outcome.SUCCEEDED]
    moments = [one.settled_at for one in counted if one.settled_at is not None]
    return (min if when is When.ANY else max)(moments, default=None)


def faults_of(after: After, known: Mapping[str, str], own_number: int) -> list[Fault]:
    """Everything that is wrong with it; of more than `PREREQUISITES_MAX` names the first ones are looked at.

    `known` has the id of each name that there is; `own_number` is the new task's.
    """
    faults = []
    if not after.tasks:
        faults.append(_fault("after.tasks", "names no task", "name at least one, or leave after out"))
    if len(after.tasks) > PREREQUISITES_MAX:
        remedy = "let a task between wait for some of them, and wait for that one"
        faults.append(_fault("after.tasks", f"{len(after.tasks)} tasks, at most {PREREQUISITES_MAX}", remedy))
    seen: dict[str, int] = {}
    for index, named in enumerate(after.tasks[:PREREQUISITES_MAX]):
        where = f"after.tasks.{index}"
        task_id = known.get(named)
        if task_id is None:
            faults.append(_unknown(where, named, own_number))
        elif task_id in seen:
            message = f"{named[:64]!r} is the same task as the one at {seen[task_id]}"
            faults.append(_fault(where, message, "name each task once"))
        else:
            seen[task_id] = index
    return faults


def _unknown(where: str, named: str, own_number: int) -> Fault:
    if named.split(".", maxsplit=1)[0] == str(own_number):
        return _fault(where, f"{named[:64]!r} would be this task itself", "name a task that was made before it")
    return _fault(where, f"there is no task {named[:64]!r} here", "botyard task list shows all")


def _fault(field: str, message: str, remedy: str) -> Fault:
    return Fault(field=field, message=message, remedy=remedy)
