"""The shim's socket in its folder: whoever shows the nonce, as the same user, is the daemon (core.md §2)."""

import array
import selectors
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.shim import address
from agent.shim.ports import Sockets, Waiter
from agent.shim.wire import READABLE_VERSIONS, Incoming, Message, WireError, encode

CLIENTS_MAX = address.BACKLOG
_BACKLOG_BYTES = 8 * 1024 * 1024
_READ_BYTES = 64 * 1024
_SEND_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to one request; `descriptor` is sent along and stays the shim's."""

    body: Message
    descriptor: int | None = None


Handler = Callable[[Message], Reply]
"""Does what a request asks; raises `RequestError` when it cannot."""


class RequestError(Exception):
    """A request that cannot be done; its text is told to the daemon."""


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """One daemon; usually there is one, and for a moment two while it restarts."""

    socket: socket.socket
    incoming: Incoming = field(default_factory=Incoming)
    outgoing: bytearray = field(default_factory=bytearray)
    is_known: bool = False


class Service:
    """Serves the daemons of one execution from the shim's own loop."""

    def __init__(self, folder: Path, nonce: str, waiter: Waiter, sockets: Sockets) -> None:
        self._folder = folder
        self._nonce = nonce
        self._waiter = waiter
        self._sockets = sockets
        self._connections: set[Connection] = set()
        self._handler: Handler | None = None
        self._welcome: Callable[[], Message] = dict
        self._listener = sockets.listen(folder)
        self._listener.setblocking(False)
        waiter.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self, handler: Handler, welcome: Callable[[], Message]) -> None:
        """Say who answers requests, and what a newcomer is told."""
        self._handler = handler
        self._welcome = welcome

    def push(self, event: Message, *, is_hint: bool = False) -> None:
        """Tell every daemon; a hint is left out where earlier messages have not gone yet."""
        data = encode(event)
        for each in list(self._connections):
            if each.is_known and not (is_hint and each.outgoing):
                self._send(each, data)

    @property
    def has_backlog(self) -> bool:
        """True while something is still to be sent."""
        return any(each.outgoing for each in self._connections)

    def close(self) -> None:
        """Close everything, and take the socket's name away."""
        for each in list(self._connections):
            self._drop(each)
        self._waiter.unregister(self._listener)
        self._listener.close()
        self._sockets.forget(self._folder)

    def _accept(self, _: int) -> None:
        try:
            accepted, _address = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= CLIENTS_MAX or not self._sockets.is_same_user(accepted):
            accepted.close()
            return
        accepted.setblocking(False)
        connection = Connection(socket=accepted)
        self._connections.add(connection)
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outgoing else 0)

        def on_ready(events: int) -> None:
            if events & selectors.EVENT_WRITE:
                self._send(connection, b"")
            if events & selectors.EVENT_READ and connection in self._connections:
                self._read(connection)

        try:
            self._waiter.modify(connection.socket, mask, on_ready)
        except KeyError:
            self._waiter.register(connection.socket, mask, on_ready)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        try:
            for message in connection.incoming.feed(data):
                self._take(connection, message)
        except WireError:
            self._drop(connection)

    def _take(self, connection: Connection, message: Message) -> None:
        if connection.is_known:
            self._answer(connection, message)
            return
        if message.get("hello") != self._nonce or message.get("version") not in READABLE_VERSIONS:
            raise WireError("who is this?")
        connection.is_known = True
        self._send(connection, encode({"event": "welcome", "state": self._welcome()}))

    def _answer(self, connection: Connection, message: Message) -> None:
        if self._handler is None:
            raise WireError("not yet")
        try:
            reply = self._handler(message)
        except RequestError as error:
            self._send(connection, encode({"id": message.get("id"), "error": str(error)}))
            return
        body: Message = {"id": message.get("id"), "ok": reply.body}
        if reply.descriptor is None:
            self._send(connection, encode(body))
            return
        body["descriptors"] = 1
        self._send_with(connection, encode(body), reply.descriptor)

    def _send(self, connection: Connection, data: bytes) -> None:
        connection.outgoing += data
        try:
            while connection.outgoing:
                sent = connection.socket.send(connection.outgoing)
                del connection.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if len(connection.outgoing) > _BACKLOG_BYTES:
            # A daemon that does not read is no daemon; it reads everything again when it comes back.
            self._drop(connection)
            return
        self._watch(connection)

    def _send_with(self, connection: Connection, data: bytes, descriptor: int) -> None:
        if sys.platform == "win32":
            raise WireError("no descriptors on this platform")
        # Bounded: a daemon that reads nothing must not stop the loop.
        connection.socket.settimeout(_SEND_S)
        try:
            connection.socket.sendall(connection.outgoing)
            connection.outgoing.clear()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            sent = connection.socket.sendmsg([data], rights)
            connection.socket.sendall(data[sent:])
            connection.socket.setblocking(False)
        except OSError:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._waiter.unregister(connection.socket)
        connection.socket.close()
