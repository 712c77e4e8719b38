"""The one ordered way out of a socket: at once while the peer reads, from a bounded backlog while it does not."""

from collections import deque
from collections.abc import Callable

from hub.runners.port import RunnerSocket, RunnerTransport

BACKLOG_MAX = 20_480
"""Messages that may wait for a slow runner; one more ends its session. An inventory of 10,000 is answered at once."""
_BUFFER_MAX_BYTES = 32 * 1024


class BacklogFull(Exception):  # noqa: N818 - a state of the peer, not a fault of ours
    """The runner does not read what it is sent."""


class OrderedWriter:
    """Sends text frames in order.

    `put` writes in the caller's own turn of the loop when the socket takes it, so that a `Start` leaves with the
    effects of its commit; else the frame waits for `flush`, which `wake` asks somebody to call.
    """

    __slots__ = ("_backlog", "_sending", "_socket", "_transport", "_wake")

    def __init__(self, socket: RunnerSocket, transport: RunnerTransport, wake: Callable[[], None]) -> None:
        self._socket = socket
        self._transport = transport
        self._wake = wake
        self._backlog: deque[str] | None = None  # most runners read at once, and need none
        self._sending = False

    @property
    def has_backlog(self) -> bool:
        """Whether frames wait for `flush`."""
        return bool(self._backlog)

    def put(self, frame: str) -> None:
        """Send a frame, now or in its turn. Raises BacklogFull."""
        if self._backlog or self._sending or self._transport.get_write_buffer_size() > _BUFFER_MAX_BYTES:
            if self._backlog is None:
                self._backlog = deque()
            if len(self._backlog) >= BACKLOG_MAX:
                raise BacklogFull
            self._backlog.append(frame)
            self._wake()
            return
        self._send_now(frame)

    async def flush(self) -> None:
        """Send the whole backlog, at the runner's pace."""
        while self._backlog:
            self._sending = True
            try:
                await self._socket.send_str(self._backlog.popleft())
            finally:
                self._sending = False

    def _send_now(self, frame: str) -> None:
        """Take the first step of `send_str`: it hands the whole frame to the transport before it waits for anything.

        Only its wait for a slow peer is left out; the next frame finds the buffer full and goes by `flush`.
        """
        if self._transport.is_closing() or self._socket.closed:
            return
        step = self._socket.send_str(frame)
        try:
            step.send(None)
        except StopIteration:
            return
        except ConnectionError:
            return
        step.close()
