"""An asyncio loop with virtual time and a seeded order: what the simulator runs on (T1).

It never blocks. When nothing is ready the clock jumps to the next timer. What is ready runs in an order that the seed
decides, as far as asyncio leaves it open: steps of different tasks change places; callbacks that are no task's step
keep their order within one process. `run_in_executor` runs its function inline, at a later turn that the seed chooses,
so a crash can fall before it, or between it and the answer. Each step goes into a running hash.
"""

import asyncio
import contextvars
import functools
import hashlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

from tests.simulation.process import CURRENT, Host, Killed, Process, outside, unfinished

T = TypeVar("T")

_THREAD_S = 0.004
"""A thread's answer may take this long."""
_STEPS_AT_ONCE = 300_000
"""So many turns in which no time passes are a busy loop."""


class Deadlock(AssertionError):  # noqa: N818 - a verdict on the program under test
    """Nothing is ready, and no timer will ever be: whoever still waits, waits for ever."""


class BusyLoop(AssertionError):  # noqa: N818 - the same
    """The program turns and turns, and no time passes."""


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(self, coro: Coroutine[Any, Any, Any], loop: "SimLoop", **rest: Any) -> None:
        self._number = loop.next_number()
        super().__init__(coro, loop=loop, **rest)

    def __hash__(self) -> int:
        return self._number


class SimFuture(asyncio.Future[Any]):
    """A future whose place in a set does not depend on its address."""

    def __init__(self, *, loop: "SimLoop") -> None:
        self._number = loop.next_number()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.BaseEventLoop):
    """See the module. `order` decides what the seed decides here."""

    def __init__(self, order: random.Random) -> None:
        super().__init__()
        self.order = order
        self.processes: list[Process] = []
        self.steps = 0
        self.turns: Counter[str] = Counter()
        """How often each kind of step ran, by label: whoever polls stands out here."""
        self.timers_run: Counter[tuple[str, str]] = Counter()
        """How often a timer woke a process: (its name, what was called)."""
        self.failures: list[BaseException | str] = []
        """What went unhandled in some callback or task."""
        self.on_step: Callable[[str], None] | None = None
        """Told of each step's line, for ``--trace``."""
        self._now = 0.0
        self._numbers = 0
        self._lanes: dict[object, deque[asyncio.Handle]] = {}
        self._keys: list[object] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._hash = hashlib.sha256()
        self._steps_now = 0
        self.set_task_factory(cast("Any", _make_task))
        self.set_exception_handler(_note_failure)

    # --- the world's side ---

    @property
    def now(self) -> float:
        """Virtual seconds since the world began, whoever asks."""
        return self._now

    @property
    def digest(self) -> str:
        """The hash of all steps so far."""
        return self._hash.hexdigest()

    def note(self, line: str) -> None:
        """Put something that happened into the trace. No address, path or real time may be in it."""
        self._hash.update(line.encode())
        if self.on_step is not None:
            self.on_step(line)

    def process(self, name: str, host: Host) -> Process:
        """Make a process; whatever is started with `spawn` on it, and all that this starts, belongs to it."""
        made = Process(name, host)
        self.processes.append(made)
        if host.is_asleep(self._now):
            self._hold(made)
        return made

    def spawn(self, process: Process, coro: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Run a coroutine as a part of a process."""
        return process.context.run(functools.partial(self.create_task, coro, name=name))

    def outside(self, callback: Callable[..., object], *args: Any, delay_s: float = 0.0) -> asyncio.TimerHandle:
        """Call something as the world outside all processes, after so many virtual seconds."""
        return outside().run(self.call_at, self._now + delay_s, callback, *args)

    def kill(self, process: Process) -> None:
        """End a process as kill -9 does: nothing of it runs any more; then the kernel closes what it had open."""
        if not process.is_alive:
            return
        process.is_alive = False
        process.held = None
        self.note(f"{self._now!r} kill {process.name}\n")
        for closing in process.on_death:
            closing()

    def stop_process(self, process: Process) -> None:
        """Stop it as SIGSTOP does."""
        process.is_stopped = True
        process.held = [] if process.held is None else process.held

    def continue_process(self, process: Process) -> None:
        """Let it go on, as SIGCONT does; where its machine sleeps, as soon as that wakes."""
        process.is_stopped = False
        self._wake_up(process)

    def sleep_host(self, host: Host, seconds: float) -> None:
        """Suspend a machine: its processes stand still, its monotonic clock too; its boot clock goes on."""
        host.sleep(seconds, self._now)
        for process in self.processes:
            if process.host is host and process.is_alive:
                self._hold(process)
        moved = [(when + seconds if _host_of(timer) is host else when, n, timer) for when, n, timer in self._timers]
        heapq.heapify(moved)
        self._timers = moved

    def change_rate(self, host: Host, rate: float) -> None:
        """Let a machine's clock run faster or slower; its timers with it."""
        old, awake = host.rate, host.awake_from(self._now)
        host.drift(rate, self._now)
        moved = [
            (awake + (when - awake) * old / rate if _host_of(timer) is host else when, n, timer)
            for when, n, timer in self._timers
        ]
        heapq.heapify(moved)
        self._timers = moved

    def dispose(self) -> None:
        """Close what is left of all processes, when the world is over and its ports refuse everything."""
        for process in self.processes:
            process.is_alive = False
        for process in self.processes:
            for task in process.tasks:
                cast("Any", task)._log_destroy_pending = False
            for task in [task for task in process.tasks if not task.done()]:
                with suppress(BaseException):
                    process.context.run(cast("Any", task.get_coro()).close)
            process.tasks.clear()
        self._lanes.clear()
        self._keys.clear()
        self._timers.clear()

    # --- asyncio's side ---

    def time(self) -> float:
        """The monotonic clock of the machine whose turn it is."""
        process = CURRENT.get()
        return self._now if process is None else process.host.monotonic(self._now)

    def next_number(self) -> int:
        """A number that nothing else in this world has."""
        self._numbers += 1
        return self._numbers

    def create_future(self) -> "asyncio.Future[Any]":
        """A future with a place of its own in sets."""
        return SimFuture(loop=self)

    def call_soon(  # type: ignore[override]  # asyncio's stubs know it more narrowly; so below
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio; `when` is by the clock of the machine whose turn it is."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        process = CURRENT.get()
        moment = when if process is None else process.host.when(when, self._now)
        heapq.heappush(self._timers, (moment, self.next_number(), handle))
        return handle

    def run_in_executor(  # type: ignore[override]  # asyncio's own is a coroutine in name only
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Run the function at some later turn, as a thread of the process that asks."""
        answer: asyncio.Future[T] = self.create_future()
        delay_s = 0.0 if self.order.random() < 0.5 else self.order.random() * _THREAD_S
        job = _Job(self, answer, functools.partial(func, *args))
        if delay_s:
            self.call_later(delay_s, job.run)
        else:
            self.call_soon(job.run)
        return answer

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Keep it with the process whose turn it is."""
        process = CURRENT.get()
        if process is not None:
            process.signals[sig] = functools.partial(callback, *args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget it."""
        process = CURRENT.get()
        return process is not None and process.signals.pop(sig, None) is not None

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to count: a cancelled timer is dropped when its time comes."""

    def _run_once(self) -> None:  # asyncio calls it in its `run_forever`
        self._wake_due()
        while not self._keys:
            self._advance()
        index = int(self.order.random() * len(self._keys))
        key = self._keys[index]
        lane = self._lanes[key]
        handle = lane.popleft()
        if not lane:
            del self._lanes[key]
            last = self._keys.pop()
            if index < len(self._keys):
                self._keys[index] = last
        self._step(handle)

    # --- inside ---

    def _hold(self, process: Process) -> None:
        """Let it stand still until its machine wakes."""
        process.held = [] if process.held is None else process.held
        outside().run(self.call_at, process.host.awake_from(self._now), self._wake_up, process)

    def _wake_up(self, process: Process) -> None:
        if process.is_stopped or process.host.is_asleep(self._now):
            return
        held, process.held = process.held, None
        for handle in held or ():
            self._make_ready(handle)

    def _make_ready(self, handle: Any) -> None:
        process = _process_of(handle)
        if process is not None:
            if not process.is_alive:
                return
            if process.held is not None:
                process.held.append(handle)
                return
        owner = getattr(handle._callback, "__self__", None)
        key = owner if isinstance(owner, SimTask | _Job) else process
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = deque((handle,))
            self._keys.append(key)
        else:
            lane.append(handle)

    def _wake_due(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                process = _process_of(handle)
                if process is not None:
                    self.timers_run[process.name, _label(handle)] += 1
                self._make_ready(handle)

    def _advance(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            waiting = "\n".join(f"  {task!r}" for task in unfinished(self.processes))
            raise Deadlock(f"at {self._now:.3f} s nothing will ever happen; tasks:\n{waiting}")
        self._now = max(self._now, timers[0][0])
        self._steps_now = 0
        self._wake_due()

    def _step(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        process = _process_of(handle)
        if process is not None:
            if not process.is_alive:
                return
            if process.held is not None:
                process.held.append(handle)
                return
        label = _label(handle)
        self.turns[label] += 1
        self.steps += 1
        self._steps_now += 1
        if self._steps_now > _STEPS_AT_ONCE:
            raise BusyLoop(f"at {self._now:.3f} s; mostly {self.turns.most_common(5)}")
        self.note(f"{self._now!r} {'-' if process is None else process.name} {label}\n")
        handle._run()


class _Job:
    """A function in a simulated thread."""

    def __init__(self, loop: SimLoop, answer: "asyncio.Future[Any]", function: Callable[[], Any]) -> None:
        self._loop = loop
        self._answer = answer
        self._function = function

    def run(self) -> None:
        """Run it, unless nobody waits and no thread had begun."""
        if self._answer.cancelled() and self._loop.order.random() < 0.5:
            return
        try:
            result = self._function()
        except Killed:
            return
        except BaseException as error:
            if not self._answer.done():
                self._answer.set_exception(error)
        else:
            if not self._answer.done():
                self._answer.set_result(result)


def _make_task(
    loop: SimLoop, coro: Coroutine[Any, Any, Any], context: contextvars.Context | None = None
) -> "asyncio.Task[Any]":
    task = SimTask(coro, loop, context=context)
    process = CURRENT.get() if context is None else context.get(CURRENT)
    task.set_name(f"{'world' if process is None else process.name}.{hash(task)}")
    if process is not None:
        if len(process.tasks) > 200:
            process.tasks[:] = [one for one in process.tasks if not one.done()]
        process.tasks.append(task)
    return task


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if not isinstance(error, Killed):
        cast("SimLoop", loop).failures.append(error or str(context.get("message")))


def _process_of(handle: Any) -> Process | None:
    process: Process | None = handle._context.get(CURRENT)
    return process


def _host_of(handle: asyncio.Handle) -> Host | None:
    process = _process_of(handle)
    return None if process is None else process.host


def _label(handle: Any) -> str:
    callback = handle._callback
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, SimTask):
        coro = owner.get_coro()
        return f"{owner.get_name()} {getattr(coro, '__qualname__', '?')}"
    while isinstance(callback, functools.partial):
        callback = callback.func
    return getattr(callback, "__qualname__", type(callback).__name__)
