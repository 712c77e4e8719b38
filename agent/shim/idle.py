"""The idle shim: forked ahead, it makes itself safe, then waits for an order, which it takes or dies without.

A fork shares its memory with the zygote, and each page that it writes to is copied: 1,700 pages, 11 of the 18 ms CPU
that an execution cost its shim [M]. So a shim whose bot has left nothing behind is taken back for another order, where
the daemon that gave the last one is still there; any other ends with its bot.
"""

import gc
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from agent.cgroups.readings import machine_oom_kills
from agent.shim import body_posix, handover, kernel, supervisor
from agent.shim.order import OrderError, ShimOrder
from agent.shim.ports import system_ports
from agent.shim.rehearsal import rehearse
from agent.shim.verdict import Verdict

assert sys.platform != "win32"  # for the type checker; Windows has `ahead`

_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ)
_IGNORED_TOO = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
EXIT_BROKEN = 70
ORDERS_MAX = 200
"""After so many a fresh one takes its place, whatever may have gathered in it."""


def main(channel: socket.socket, zygote: int) -> NoReturn:
    """Live as a shim in this freshly forked process; never returns."""
    code = EXIT_BROKEN
    try:
        own = _make_safe(channel)
        # A zygote that died before this line is nobody's parent any more.
        code = _live(own) if os.getppid() == zygote else 0
    except BaseException:  # noqa: BLE001 - the rim of a process; there is nobody to raise to
        traceback.print_exc()
    finally:
        os._exit(code)


def _make_safe(channel: socket.socket) -> socket.socket:
    """Leave everything that belongs to zygote and daemon: descriptors, session, signals.

    An inherited flock would stop the next daemon, and a sibling's copy of this channel would hide its end of file.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    own = socket.socket(fileno=os.dup(channel.fileno()))
    oom_file = _open_oom_file()
    kernel.close_all_but({own.fileno(), oom_file})
    os.setsid()
    for number in (*_IGNORED, *_IGNORED_TOO):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    kernel.become_subreaper()
    kernel.forbid_dumps()
    kernel.name_process("botyard-shim")
    body_posix.OOM_FILE.append(oom_file)
    body_posix.MACHINE_KILLS.append(machine_oom_kills())
    rehearse()
    gc.freeze()
    return own


def _open_oom_file() -> int:
    """Open this process's own OOM score while that is allowed: a non-dumpable process may not (see `child`)."""
    try:
        return os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return -1


def _live(channel: socket.socket) -> int:
    for _ in range(ORDERS_MAX - 1):
        # Nothing of an order is held here: what was known of it goes before the next is waited for.
        code = _take_one(channel)
        if code is not None:
            return code
        _forget_the_last(channel)
        if not handover.offer_again(channel):
            return 0
    return _take_one(channel) or 0


def _take_one(channel: socket.socket) -> int | None:
    """Wait for an order and serve it; return None where another may come, else the exit code of this shim."""
    try:
        received = handover.receive_order(channel)
    except (OrderError, ConnectionError):
        return EXIT_BROKEN
    return None if received is not None and _serve(channel, *received) else 0


def _serve(channel: socket.socket, order: ShimOrder, descriptors: tuple[int, ...]) -> bool:
    """Be the parent of one bot; return whether another order may come."""

    def answer(verdict: Verdict) -> None:
        handover.send_answer(channel, verdict)
        if not order.comes_back:
            channel.close()

    try:
        is_clean = supervisor.supervise(order, descriptors, answer, system_ports())
    except BaseException:
        _leave_note(Path(order.folder), traceback.format_exc())
        raise
    return is_clean and order.comes_back


def _forget_the_last(channel: socket.socket) -> None:
    """Nothing of the last order may reach the next: no descriptor, no secret in memory, no signal's way."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.collect()
    kernel.close_all_but({channel.fileno(), *body_posix.OOM_FILE})
    body_posix.MACHINE_KILLS[:] = [machine_oom_kills()]


def _leave_note(folder: Path, text: str) -> None:
    try:
        (folder / "shim-error").write_text(text)
    except OSError:
        sys.stderr.write(text)
