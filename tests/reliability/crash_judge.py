"""What must hold after a try of the sweep, whatever was struck (`core.md` D1-D9, §3, §4; `reliability.md` R2-R4, R15).

| struck | outcome |
|---|---|
| hub, daemon: killed, EIO, ENOSPC | `succeeded`, complete output, every file; never more than one start |
| shim killed before its verdict is durable | as above: void, granted again |
| shim killed after it | `failed: supervisor_lost`, a true prefix of the output, not called complete, or as above |
| shim: its disk answers EIO or ENOSPC | the bot goes on, and output that is not whole is not called so |
| the same, at the verdict itself | void, or `failed: supervisor_lost` of a bot that never began |
| the child before exec | `failed`, and the bot never began |
"""

import hashlib

from agent.wire.words import Reason
from tests.reliability.crash_points import Victim
from tests.reliability.crash_world import Tried, printed
from tests.support.strace import Blow

_IO_ERROR_ENDS = frozenset({"fsync", "fdatasync"})


def faults(tried: Tried) -> list[str]:
    """Everything that is wrong with a try; empty for a good one."""
    task = tried.task
    found = [f"left behind: {each}" for each in tried.left]
    found += _starts(tried)
    if task["state"] != "finished":
        return [*found, f"the task is {task['state']}"]
    found += _output(tried)
    if task["outcome"] == "succeeded":
        found += _success(tried)
    elif not _may_fail(tried):
        found.append(f"outcome {task['outcome']}: {task['reason']} ({task['message']})")
    if tried.struck is not None:
        found += _end_of_the_struck(tried)
    return found


def _starts(tried: Tried) -> list[str]:
    """At most once unless told otherwise (G3, D9): the automation has no retry."""
    found = []
    if len(tried.started) > 1:
        found.append(f"the bot was started {len(tried.started)} times: {tried.started}")
    voided = {each["id"] for each in tried.executions if each["state"] == "void"}
    ran = {note.execution for note in tried.started}
    found += [f"{each} is called void, and its bot ran" for each in voided & ran]
    return found


def _output(tried: Tried) -> list[str]:
    """What is called complete is so to the byte; what is not is a true beginning (core.md §3)."""
    said, expected = tried.task["output"], printed(tried.text)
    found = []
    if said["bytes"] != len(tried.stored):
        found.append(f"{said['bytes']} bytes of output are said, {len(tried.stored)} are stored")
    if said["complete"] and tried.started:
        digest = hashlib.sha256(expected).hexdigest()
        if tried.stored != expected or said["sha256"] != digest:
            found.append(f"output called complete has {len(tried.stored)} of {len(expected)} bytes, or others")
    elif not _is_beginning(tried.stored, expected):
        found.append("the stored output is not what the bot wrote")
    return found


def _is_beginning(stored: bytes, expected: bytes) -> bool:
    """Whether it is the bot's output up to some byte, or with one hole (which is told as a gap)."""
    if expected.startswith(stored):
        return True
    head = next((at for at in range(len(stored)) if stored[at] != expected[at]), len(stored))
    return expected.endswith(stored[head:])


def _success(tried: Tried) -> list[str]:
    task, found = tried.task, []
    if len(tried.started) != 1 or len(tried.ended) != 1:
        found.append(f"succeeded, and the bot began {tried.started} and ended {tried.ended}")
    if task["exit_code"] != 0 or task["totals"] != {"total": 2, "processed": 2, "failed": 0}:
        found.append(f"succeeded with exit code {task['exit_code']} and totals {task['totals']}")
    digest = hashlib.sha256(tried.text.encode()).hexdigest()
    if tried.artifacts != {"made.txt": digest}:
        found.append(f"succeeded with the files {tried.artifacts}")
    if not task["output"]["complete"] and tried.point.lane.victim is not Victim.SHIM:
        found.append(f"succeeded, and its output is {task['output']}")
    return found


def _may_fail(tried: Tried) -> bool:
    task, point = tried.task, tried.point
    if task["outcome"] != "failed" or tried.struck is None:
        return False
    if point.lane.victim is Victim.CHILD:
        return not tried.started
    if point.lane.victim is not Victim.SHIM or task["reason"] != Reason.SUPERVISOR_LOST or task["output"]["complete"]:
        return False
    # A verdict that could not be made durable starts nothing (D1).
    return point.blow is Blow.KILL or not tried.started


def _end_of_the_struck(tried: Tried) -> list[str]:
    """A kill kills; a failed sync of the hub or the daemon ends it at once, not in order (G9, R15)."""
    point = tried.point
    if point.lane.victim not in {Victim.HUB, Victim.DAEMON}:
        return [f"the daemon ended: {tried.exits}"] if tried.exits else []
    if point.blow is Blow.EIO and point.call in _IO_ERROR_ENDS and not tried.exits:
        return [f"{point.call} answered EIO, and the {point.lane.victim} lives on"]
    return [f"the {point.lane.victim} ended with 0"] if 0 in tried.exits else []
