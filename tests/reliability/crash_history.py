"""A try of the sweep as events that the history checker judges (`reliability.md` T2)."""

import hashlib

from tests.history.events import (
    Acked,
    Ended,
    Fault,
    FaultKind,
    Granted,
    Left,
    Searched,
    Seen,
    Started,
    Stored,
    Voided,
    Wrote,
)
from tests.history.recorder import Recorder
from tests.reliability.crash_points import Victim
from tests.reliability.crash_world import RUNNER, Tried, printed
from tests.reliability.shown import seen
from tests.support.strace import Blow

_KILLS = {
    Victim.HUB: FaultKind.HUB_KILLED,
    Victim.DAEMON: FaultKind.DAEMON_KILLED,
    Victim.SHIM: FaultKind.SHIM_KILLED,
    Victim.CHILD: FaultKind.BOT_KILLED,
}
_ERRORS = {Blow.EIO: FaultKind.DISK_ERROR, Blow.ENOSPC: FaultKind.DISK_FULL}


def tell(history: Recorder, tried: Tried) -> None:
    """Add what one try was."""
    task = str(tried.task["id"])
    history.add(Acked, task=task, key=tried.text)
    _tell_fault(history, tried)
    _tell_attempts(history, tried)
    _tell_output(history, tried)
    history.add(Seen, **seen(tried.task))
    for left in tried.left:
        history.add(Left, what=left)
    history.add(Searched, rule="C11", what="folders, groups, links and processes of the bots")


def _tell_fault(history: Recorder, tried: Tried) -> None:
    point = tried.point
    if tried.struck is None:
        return
    what = _KILLS[point.lane.victim] if point.blow is Blow.KILL else _ERRORS[point.blow]
    runner = None if point.lane.victim is Victim.HUB else RUNNER
    # The order that was on its way when its shim was struck; later ones of the task had another shim.
    struck = tried.executions[0]["id"] if point.lane.victim in {Victim.SHIM, Victim.CHILD} else None
    history.add(Fault, what=what, runner=runner, execution=struck, note=str(point))


def _tell_attempts(history: Recorder, tried: Tried) -> None:
    task = str(tried.task["id"])
    fences = {each["id"]: number for number, each in enumerate(tried.executions, 1)}
    for execution, fence in fences.items():
        history.add(Granted, task=task, execution=execution, fence=fence, runner=RUNNER)
    for each in tried.executions:
        if each["state"] == "void":
            history.add(Voided, execution=each["id"])
    for note in tried.started:
        at, fence = history.moment(note.at), fences.get(note.execution, 0)
        history.add(Started, at=at, task=task, execution=note.execution, fence=fence, runner=RUNNER)
    for note in tried.ended:
        history.add(Ended, at=history.moment(note.at), execution=note.execution, exit_code=0)


def _tell_output(history: Recorder, tried: Tried) -> None:
    expected = printed(tried.text)
    for note in tried.started:
        stored = tried.stored
        history.add(
            Stored, execution=note.execution, length=len(stored), sha256=hashlib.sha256(stored).hexdigest(), data=stored
        )
        digest = hashlib.sha256(expected).hexdigest()
        history.add(Wrote, execution=note.execution, length=len(expected), sha256=digest, data=expected)
