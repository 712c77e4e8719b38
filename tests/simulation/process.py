"""Simulated machines and the processes on them: whose time it is, and who is dead.

Each callback of the loop runs in the context of one process. When a process is killed the loop drops every callback of
it, now and later: nothing of it runs any more, no `finally`, no `except`, exactly as after kill -9.
"""

import asyncio
import contextvars
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """Raised by a simulated port to whoever uses it in the name of a dead process: unwinds what still runs of it."""


@dataclass(slots=True, eq=False)
class Host:
    """One machine, as far as time goes: it runs at its own rate, sleeps, is restarted, and its wall clock is wrong.

    All arguments are virtual seconds of the simulation.
    """

    name: str
    rate: float = 1.0
    """Seconds of its oscillator in one true second (R38: up to 10 % wrong)."""
    boots: int = 1
    is_off: bool = False
    """Without power: nothing runs, and nobody is told that it went."""
    wall_error_s: float = 0.0
    """What its wall clock shows too much; changes with `jump`, and with the rate."""
    _since: float = 0.0
    _monotonic: float = 1000.0
    _slept: float = 0.0

    def monotonic(self, now: float) -> float:
        """Seconds that this machine was awake since an unspecified start (CLOCK_MONOTONIC)."""
        return self._monotonic + max(0.0, now - self._since) * self.rate

    def boot(self, now: float) -> float:
        """The same, sleep included (CLOCK_BOOTTIME)."""
        return self.monotonic(now) + self._slept

    def when(self, monotonic: float, now: float) -> float:
        """The virtual moment at which `monotonic` will be reached, if the machine stays awake from its waking on.

        A hair later, so that who is woken then does not read a hair less, for ever.
        """
        moment = self.awake_from(now) + (monotonic - self.monotonic(now)) / self.rate
        return moment + 4.0 * max(math.ulp(moment), math.ulp(monotonic))

    def drift(self, rate: float, now: float) -> None:
        """Run at another rate from now on."""
        self.wall_error_s += self._drifted(now)
        self._monotonic, self._since, self.rate = self.monotonic(now), self.awake_from(now), rate

    def wall(self, now: float) -> float:
        """Virtual seconds as its wall clock shows them."""
        return now + self.wall_error_s + self._drifted(now)

    def jump(self, seconds: float) -> None:
        """Somebody sets its wall clock."""
        self.wall_error_s += seconds

    def sleep(self, seconds: float, now: float) -> None:
        """Be suspended from `now` for so long; call before the loop moves its timers."""
        self.wall_error_s += self._drifted(now)
        self._monotonic, self._since = self.monotonic(now), now + seconds
        self._slept += seconds

    def is_asleep(self, now: float) -> bool:
        """Whether it is suspended at this moment."""
        return self._since > now

    def awake_from(self, now: float) -> float:
        """The virtual moment from which on it is awake."""
        return max(now, self._since)

    def restart(self, now: float) -> None:
        """Boot again: its counters begin anew."""
        self.wall_error_s += self._drifted(now)
        self._monotonic, self._since, self._slept = 1.0, now, 0.0
        self.boots += 1
        self.is_off = False

    def _drifted(self, now: float) -> float:
        return max(0.0, now - self._since) * (self.rate - 1.0)


@dataclass(slots=True, eq=False)
class Process:
    """One simulated process: a hub, a daemon, a shim, a bot. Made by `SimLoop.process`."""

    name: str
    host: Host
    is_alive: bool = True
    held: "list[asyncio.Handle] | None" = None
    """Its callbacks while it is stopped (SIGSTOP, or its machine sleeps); None while it runs."""
    is_stopped: bool = False
    """By SIGSTOP; nothing but SIGCONT lets it go on."""
    tasks: "list[asyncio.Task[Any]]" = field(default_factory=list)
    """Kept, so that a dead process's coroutines are not closed, and their `finally` not run, in another's turn."""
    signals: dict[int, Callable[[], object]] = field(default_factory=dict)
    """Its signal handlers, by number."""
    on_death: list[Callable[[], object]] = field(default_factory=list)
    """What the kernel does when it dies: closes sockets, releases locks. Called once, outside its context."""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def __post_init__(self) -> None:
        """Make the context in which all of it runs."""
        self.context.run(CURRENT.set, self)

    def check(self) -> None:
        """Refuse a dead process. Raises Killed; for ports."""
        if not self.is_alive:
            raise Killed(self.name)


CURRENT: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
"""Whose turn it is; None in the world outside."""


def check_alive() -> None:
    """Refuse whoever asks when its process is dead. Raises Killed; the first line of each operation of a port."""
    process = CURRENT.get()
    if process is not None and not process.is_alive:
        raise Killed(process.name)


def unfinished(processes: Iterable[Process]) -> "list[asyncio.Task[Any]]":
    """Tasks of living processes that have not ended (for C11 and for reports of a deadlock)."""
    return [task for one in processes if one.is_alive for task in one.tasks if not task.done()]


def outside() -> contextvars.Context:
    """A context of the world, which belongs to no process."""
    return _OUTSIDE.copy()


_OUTSIDE = contextvars.Context()
