"""Pure: the steps that end a bot, each with its time (core.md §4, clocks).

    cancel:       flag ── 10 s ── SIGINT ── 10 s ── SIGTERM ── 5 s ── SIGKILL of the tree ── 10 s ── survivors reported
    other causes: flag, SIGINT ── 10 s ── SIGTERM ── …
    too much memory or too many processes: SIGKILL of the tree at once ── 10 s ── survivors reported
    left behind:  SIGTERM ── 5 s ── SIGKILL … (the main process has ended by itself; the rest of its tree is ended)

A second cause never lengthens: of each step the earlier time counts.
"""

from dataclasses import dataclass
from enum import IntEnum

from agent.shim.order import LadderTimes
from agent.wire.words import StopCause

_NS = 1_000_000_000


class Step(IntEnum):
    """What is done next, in this order."""

    INTERRUPT = 0
    TERMINATE = 1
    KILL = 2
    REPORT = 3
    DONE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """A ladder under way: when each step is due (`Clock.boot_ns`), and which comes next."""

    due_ns: tuple[int, int, int, int]
    next_step: Step = Step.INTERRUPT

    @property
    def next_due_ns(self) -> int | None:
        """When to look again; None at the end."""
        return None if self.next_step is Step.DONE else self.due_ns[self.next_step]


def start(cause: StopCause | None, now_ns: int, times: LadderTimes) -> Ladder:
    """Begin; `cause` None is for processes that the bot left behind."""
    wait_s = times.interrupt_after_s if cause is StopCause.CANCEL else 0.0
    interrupt = now_ns + int(wait_s * _NS)
    terminate = now_ns if cause is None else interrupt + int(times.terminate_after_s * _NS)
    kill = terminate + int(times.kill_after_s * _NS)
    report = kill + int(times.survivors_after_s * _NS)
    first = Step.TERMINATE if cause is None else Step.INTERRUPT
    return Ladder(due_ns=(interrupt, terminate, kill, report), next_step=first)


def at_once(now_ns: int, times: LadderTimes) -> Ladder:
    """SIGKILL now, for a tree that endangers the machine: memory, fork bomb."""
    report = now_ns + int(times.survivors_after_s * _NS)
    return Ladder(due_ns=(now_ns, now_ns, now_ns, report), next_step=Step.KILL)


def shorten(ladder: Ladder, other: Ladder) -> Ladder:
    """Let a second cause count: each step at the earlier of both times; what was done stays done."""
    first, second, third, fourth = (min(pair) for pair in zip(ladder.due_ns, other.due_ns, strict=True))
    step = Step(max(ladder.next_step, other.next_step))
    return Ladder(due_ns=(first, second, third, fourth), next_step=step)


def take_due(ladder: Ladder, now_ns: int, times: LadderTimes) -> tuple[Ladder, Step | None]:
    """Return the step that is due, if one is, and the ladder after it.

    One at a time: a step that comes late (the machine slept) moves the next one, so that no TERM is followed by KILL
    at once.
    """
    step = ladder.next_step
    if step is Step.DONE or now_ns < ladder.due_ns[step]:
        return ladder, None
    due = list(ladder.due_ns)
    if step < Step.REPORT:
        distance_s = (times.terminate_after_s, times.kill_after_s, times.survivors_after_s)[step]
        due[step + 1] = max(due[step + 1], now_ns + int(distance_s * _NS))
    return Ladder(due_ns=(due[0], due[1], due[2], due[3]), next_step=Step(step + 1)), step
