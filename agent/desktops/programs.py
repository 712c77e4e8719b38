"""Starting what makes up a virtual desktop: programs that outlive the daemon, and hear none of its signals."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agent.process import KILL

END_S = 2.0
"""What ends by itself, or when it is asked to, has so long."""
_INHERITED = ("PATH", "LANG", "TZ")


def start_program(
    argv: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    said_fd: int | None = None,
    pass_fd: int | None = None,
) -> int:
    """Start one in a session of its own; what it says goes to `said_fd`, else nowhere. Raises OSError. Blocks.

    It gets few of the daemon's variables, and `folder` for its home. The pid that is returned is for `collect`.
    """
    known = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env={**known, "HOME": str(folder), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if said_fd is None else said_fd,
        pass_fds=() if pass_fd is None else (pass_fd,),
        start_new_session=True,
    )
    # It may outlive this process, of which a Popen that is dropped would complain.
    process.returncode = 0
    return process.pid


def collect(pid: int) -> None:
    """Take a child that has ended off the table; one that has not, and one that is not ours, is left."""
    if sys.platform != "win32":
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def hold(pid: int) -> int:
    """A descriptor of exactly this process, readable when it has ended. Raises OSError, and where there are none."""
    if sys.platform != "linux":
        raise OSError("only Linux has descriptors of processes")
    return os.pidfd_open(pid)


def send(pidfd: int, number: int) -> None:
    """Signal the process that is held; one that has ended is passed over."""
    if sys.platform == "linux":
        with suppress(OSError):
            signal.pidfd_send_signal(pidfd, number)


async def gone_or_killed(gone: Callable[[], Awaitable[None]], pidfd: int) -> None:
    """Wait until the process that is held has ended, by `gone`, and kill it after two seconds."""
    try:
        async with asyncio.timeout(END_S):
            await gone()
    except TimeoutError:
        send(pidfd, KILL)
        await gone()


def never_waits(fd: int) -> None:
    """From here on this end of a pipe fails where it would have to wait."""
    if sys.platform != "win32":
        os.set_blocking(fd, False)
