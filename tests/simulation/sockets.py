"""What a simulated shim waits for: sockets to its daemons, pipes of its bot, and the waiting itself, in memory.

The shim's own `Service`, `Taps` and `Supervisor` use these as they use the system's; the daemon's end of a connection
is an `agent.shim.channel.Wire`.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.ports.clock import Clock
from agent.shim.channel import Take
from agent.shim.ports import Ready
from tests.simulation.loop import SimLoop
from tests.simulation.process import CURRENT, Process, check_alive

_FIRST_DESCRIPTOR = 1 << 24
"""Above what the system gives, so that a call which slips by the ports fails instead of meeting a stranger's file."""


class Descriptors:
    """All open things of a world, by number."""

    def __init__(self) -> None:
        self._next = _FIRST_DESCRIPTOR
        self.known: dict[int, Readable] = {}

    def add(self, made: "Readable") -> int:
        """A number that was never given before."""
        self._next += 1
        self.known[self._next] = made
        return self._next


class Readable:
    """Something with a descriptor: bytes that came, and whether the other end is closed."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._number = descriptors.add(self)
        self._data = bytearray()
        self._is_ended = False
        self.on_change: Callable[[], None] | None = None

    @property
    def is_readable(self) -> bool:
        """Whether a read would not block."""
        return bool(self._data) or self._is_ended

    def fileno(self) -> int:
        """See `socket.socket`."""
        return self._number

    def feed(self, data: bytes) -> None:
        """Bytes arrive."""
        self._data += data
        self._changed()

    def end(self) -> None:
        """The other end is closed."""
        self._is_ended = True
        self._changed()

    def read(self, size: int) -> bytes:
        """See `agent.shim.body.Source`."""
        check_alive()
        if not self.is_readable:
            raise BlockingIOError
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def close(self) -> None:
        """Let go of it."""
        self._descriptors.known.pop(self._number, None)
        self.on_change = None

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


class ShimSocket(Readable):
    """The shim's end of a connection; `to_daemon` takes what it sends, empty bytes at its end."""

    def __init__(self, descriptors: Descriptors, to_daemon: Callable[[bytes], None]) -> None:
        super().__init__(descriptors)
        self._to_daemon = to_daemon
        self.is_closed = False

    def setblocking(self, _: bool) -> None:
        """See `socket.socket`."""

    def recv(self, size: int) -> bytes:
        """See `socket.socket`."""
        return self.read(size)

    def send(self, data: bytes) -> int:
        """See `socket.socket`: all of it goes, or the other end is gone."""
        check_alive()
        if self._is_ended:
            raise BrokenPipeError
        self._to_daemon(bytes(data))
        return len(data)

    def close(self) -> None:
        """See `socket.socket`."""
        if not self.is_closed:
            self.is_closed = True
            super().close()
            self._to_daemon(b"")


class ShimListener(Readable):
    """What a shim's `Service` accepts connections from."""

    def __init__(self, descriptors: Descriptors, shim: Process) -> None:
        super().__init__(descriptors)
        self._waiting: list[ShimSocket] = []
        self._shim = shim
        self.is_open = True
        shim.on_death.append(self.close)

    @property
    def is_readable(self) -> bool:
        """Whether somebody connects."""
        return bool(self._waiting)

    def setblocking(self, _: bool) -> None:
        """See `socket.socket`."""

    def arrive(self, connection: ShimSocket) -> None:
        """Somebody connects."""
        self._shim.on_death.append(connection.close)
        self._waiting.append(connection)
        self._changed()

    def accept(self) -> tuple[ShimSocket, None]:
        """See `socket.socket`."""
        check_alive()
        if not self._waiting:
            raise BlockingIOError
        return self._waiting.pop(0), None

    def close(self) -> None:
        """Nobody is let in any more; who waits at the door sees it close."""
        self.is_open = False
        super().close()
        while self._waiting:
            self._waiting.pop().close()


class DaemonWire:
    """The daemon's end of a connection to a shim (`agent.shim.channel.Wire`)."""

    def __init__(self, loop: SimLoop, daemon: Process, take: Take) -> None:
        self._loop = loop
        self._daemon = daemon
        self._take = take
        self._is_open = True
        self.far: ShimSocket

    async def send(self, data: bytes) -> None:
        """See `Wire`."""
        check_alive()
        if not self._is_open or self.far.is_closed:
            raise BrokenPipeError
        self.far.feed(data)

    def close(self) -> None:
        """See `Wire`."""
        self._is_open = False
        self.far.end()

    def arrive(self, data: bytes) -> None:
        """Bytes of the shim arrive; empty ones are its end."""
        self._loop.call_soon(self._give, data, context=self._daemon.context.copy())

    def _give(self, data: bytes) -> None:
        if self._is_open:
            self._take(data, ())


class Doors:
    """Sockets in the folders of executions (`agent.shim.ports.Sockets`), and the daemon's way to them."""

    def __init__(self, loop: SimLoop, descriptors: Descriptors) -> None:
        self._loop = loop
        self._descriptors = descriptors
        self._listeners: dict[str, ShimListener] = {}

    def listen(self, folder: Path) -> ShimListener:
        """See `Sockets`."""
        check_alive()
        shim = CURRENT.get()
        assert shim is not None, "only a shim listens"
        listener = self._listeners[str(folder)] = ShimListener(self._descriptors, shim)
        return listener

    def forget(self, folder: Path) -> None:
        """See `Sockets`."""
        check_alive()
        self._listeners.pop(str(folder), None)

    def is_same_user(self, peer: ShimSocket) -> bool:
        """See `Sockets`."""
        return not peer.is_closed

    def connect(self, folder: Path, take: Take) -> DaemonWire:
        """Connect as a daemon. Raises OSError where nobody listens."""
        check_alive()
        listener = self._listeners.get(str(folder))
        if listener is None or not listener.is_open:
            raise ConnectionRefusedError(str(folder))
        daemon = CURRENT.get()
        assert daemon is not None, "only a daemon connects"
        wire = DaemonWire(self._loop, daemon, take)
        wire.far = ShimSocket(self._descriptors, wire.arrive)
        daemon.on_death.append(wire.close)
        listener.arrive(wire.far)
        return wire


class SimWaiter:
    """See `agent.shim.ports.Waiter`: `wait` never waits; `until` does, as a coroutine."""

    def __init__(self, loop: SimLoop, clock: Clock, descriptors: Descriptors) -> None:
        self._loop = loop
        self._clock = clock
        self._descriptors = descriptors
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._woken: asyncio.Future[None] | None = None

    def register(self, fileobj: Any, events: int, data: Any) -> None:
        """See `Waiter`."""
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if number in self._keys:
            raise KeyError(f"{number} is registered already")
        self._keys[number] = selectors.SelectorKey(fileobj, number, events, data)
        self._descriptors.known[number].on_change = self.wake

    def modify(self, fileobj: Any, events: int, data: Any) -> None:
        """See `Waiter`."""
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[number] = self._keys[number]._replace(events=events, data=data)

    def unregister(self, fileobj: Any) -> None:
        """See `Waiter`."""
        del self._keys[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See `Waiter`."""
        return self._keys

    def wait(self, due_ns: int | None) -> Ready:
        """What is ready now."""
        return [(key, selectors.EVENT_READ) for number, key in list(self._keys.items()) if self._is_ready(number)]

    def close(self) -> None:
        """See `Waiter`."""
        self._keys.clear()

    def wake(self) -> None:
        """Look again."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def until(self, due_ns: int | None) -> None:
        """Return when something is ready, or when it is `due_ns` by the machine's clock."""
        while not any(self._is_ready(number) for number in self._keys):
            left_ns = None if due_ns is None else due_ns - self._clock.boot_ns()
            if left_ns is not None and left_ns <= 0:
                return
            self._woken = self._loop.create_future()
            # A timer of the world's, which goes on while the machine sleeps, as CLOCK_BOOTTIME does; a fast clock's end
            # is not overslept, since the last part is waited for by itself.
            left_s = None if left_ns is None else left_ns / 1e9
            delay_s = None if left_s is None else left_s / 1.2 if left_s > 1.0 else left_s + 1e-6
            timer = None if delay_s is None else self._loop.outside(self.wake, delay_s=delay_s)
            await self._woken
            if timer is not None:
                timer.cancel()

    def _is_ready(self, number: int) -> bool:
        known = self._descriptors.known.get(number)
        return known is not None and known.is_readable
