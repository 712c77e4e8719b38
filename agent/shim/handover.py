"""How an order gets from the daemon into an idle shim: one message with its descriptors.

Linux: one SOCK_SEQPACKET message, so that an order is there whole or not at all; one that is larger than a socket
message may be travels as a sealed memfd, still in one message. macOS knows no SOCK_SEQPACKET: there it is a stream of
one length and the bytes, and a daemon that dies in the middle leaves an incomplete order: an end of file to the shim.

The shim answers on the same socket with one `Answer`, as soon as the verdict is durable.
"""

import array
import os
import socket
import struct
import sys

from agent.shim.order import OrderError, ShimOrder, decode_order, encode_order
from agent.shim.verdict import Verdict, decode_verdict, encode_verdict

assert sys.platform != "win32"  # for the type checker; Windows has `ahead`

INLINE_MAX_BYTES = 64 * 1024
"""A larger order goes as a memfd; well below any `net.core.wmem_default`."""
IDLE = b"idle"
"""What a shim says that waits for another order."""
_DESCRIPTORS_MAX = 8
_LENGTH = struct.Struct("!I")
_INLINE, _MEMFD = b"\x01", b"\x02"


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of the socket between the daemon and one shim."""
    kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
    return socket.socketpair(socket.AF_UNIX, kind)


def send_order(channel: socket.socket, order: ShimOrder, descriptors: tuple[int, ...]) -> None:
    """Send `order`; `descriptors` are in the order of `order.descriptors` and stay the caller's.

    Raises OSError when the shim is gone.
    """
    if len(descriptors) != len(order.descriptors):
        raise OrderError("each role of an order needs its descriptor")
    data = encode_order(order)
    if sys.platform != "linux":
        _send_with(channel, _LENGTH.pack(len(data)), descriptors)
        channel.sendall(data)
    elif len(data) <= INLINE_MAX_BYTES:
        _send_with(channel, _INLINE + data, descriptors)
    else:
        sealed = _sealed_memory(data)
        try:
            _send_with(channel, _MEMFD, (sealed, *descriptors))
        finally:
            os.close(sealed)


def receive_order(channel: socket.socket) -> tuple[ShimOrder, tuple[int, ...]] | None:
    """Wait for the order; None at end of file before a complete one. Raises `OrderError` for a broken one."""
    data, descriptors = _receive_with(channel, INLINE_MAX_BYTES + 1)
    if not data:
        return None
    if sys.platform != "linux":
        rest = _receive_rest(channel, data)
        return None if rest is None else (decode_order(rest), descriptors)
    if data[:1] == _MEMFD:
        with os.fdopen(descriptors[0], "rb") as memory:
            memory.seek(0)
            return decode_order(memory.read()), descriptors[1:]
    return decode_order(data[1:]), descriptors


def send_answer(channel: socket.socket, verdict: Verdict) -> None:
    """Tell the daemon which verdict holds; a daemon that is gone meanwhile will read the file."""
    try:
        channel.send(encode_verdict(verdict))
    except OSError:
        return


def offer_again(channel: socket.socket) -> bool:
    """Tell the daemon that this shim waits for another order; False when the daemon is gone."""
    try:
        return channel.send(IDLE) == len(IDLE)
    except OSError:
        return False


def read_answer(data: bytes) -> Verdict:
    """Decode what `send_answer` sent."""
    return decode_verdict(data)


def _send_with(channel: socket.socket, data: bytes, descriptors: tuple[int, ...]) -> None:
    rights = array.array("i", descriptors)
    sent = channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else [])
    if sent < len(data):
        raise OSError(f"sent {sent} of {len(data)} bytes of an order")


def _receive_with(channel: socket.socket, size: int) -> tuple[bytes, tuple[int, ...]]:
    width = array.array("i").itemsize
    cloexec = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    data, rights, flags, _ = channel.recvmsg(size, socket.CMSG_SPACE(_DESCRIPTORS_MAX * width), cloexec)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise OrderError("a message was cut")
    received = array.array("i")
    for level, kind, content in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(content[: len(content) - len(content) % width])
    return data, tuple(received)


def _receive_rest(channel: socket.socket, start: bytes) -> bytes | None:
    data = bytearray(start)
    while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        more = channel.recv(INLINE_MAX_BYTES)
        if not more:
            return None
        data += more
    return bytes(data[_LENGTH.size :])


if sys.platform == "linux":
    import fcntl

    def _sealed_memory(data: bytes) -> int:
        memory = os.memfd_create("order", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(memory, rest) :]
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        return memory
