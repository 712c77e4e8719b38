"""Windows: an idle shim is a process that was started ahead, and its order comes by its standard input, or a meeting.

    python -m agent.shim.ahead
        stdin: length (4 bytes, big-endian) and the order's JSON; stdout: one line, the verdict

At end of file before a complete order it ends; after it, the end of the daemon means nothing. The framing is tested
everywhere, the process under Wine (`tests/windows`).
"""

import struct
import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from agent.shim import supervisor
from agent.shim.meeting import come
from agent.shim.order import OrderError, ShimOrder, decode_order, encode_order
from agent.shim.ports import system_ports
from agent.shim.verdict import Verdict, encode_verdict

_LENGTH = struct.Struct("!I")
EXIT_BROKEN = 70


def frame_order(order: ShimOrder) -> bytes:
    """Return the bytes that a daemon writes to an idle shim's standard input."""
    data = encode_order(order)
    return _LENGTH.pack(len(data)) + data


def read_order(source: BinaryIO) -> ShimOrder | None:
    """Wait for the order; None at end of file before a complete one. Raises `OrderError` for a broken one."""
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = source.read(length)
    return None if len(data) < length else decode_order(data)


def main() -> int:
    """Live as an idle shim, then as the parent of one bot; return an exit code."""
    met = come()
    source, target = (met.file, met.file) if met else (sys.stdin.buffer, sys.stdout.buffer)
    try:
        order = read_order(source)
    except OrderError:
        return EXIT_BROKEN
    except OSError:
        return 0  # the daemon has ended
    if order is None:
        return 0

    def answer(verdict: Verdict) -> None:
        try:
            target.write(encode_verdict(verdict))
            target.flush()
        except OSError:
            # The daemon is gone; the next one reads the file.
            return

    try:
        supervisor.supervise(order, (), answer, system_ports())
    except Exception:
        (Path(order.folder) / "shim-error").write_text(traceback.format_exc())
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
