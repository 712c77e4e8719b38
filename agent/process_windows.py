# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""Windows: a job object around one bot. Closing its last handle ends everything in it, so a dead shim leaves no orphan.

    job = Job()
    process = job.start(argv, env, cwd)     suspended, put into the job, then let run: nothing escapes in between
    job.interrupt(process)                  CTRL_BREAK to its group (Python and PowerShell can handle it)
    job.pids(); job.terminate(); job.peak_memory_bytes()

Seen to work under Wine (`tests/windows`); CTRL_BREAK without a console nobody has seen.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

assert sys.platform == "win32"  # for the type checker; POSIX has `process_cgroup` and descent

import psutil
import pywintypes
import win32job

_CREATE_SUSPENDED = 0x4
_EXIT_CODE_KILLED = 1


class Job:
    """A kill-on-close job object."""

    def __init__(self) -> None:
        make: Any = win32job.CreateJobObject  # its stub says None, and it returns the handle
        self._handle: Any = make(None, "")
        limits = win32job.QueryInformationJobObject(self._handle, win32job.JobObjectExtendedLimitInformation)
        limits["BasicLimitInformation"]["LimitFlags"] |= win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        win32job.SetInformationJobObject(self._handle, win32job.JobObjectExtendedLimitInformation, limits)

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> "subprocess.Popen[bytes]":
        """Start a process inside the job with pipes for its output; raises OSError when it cannot."""
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=_CREATE_SUSPENDED | subprocess.CREATE_NEW_PROCESS_GROUP,
        )
        try:
            # Before its first instruction runs, so that no child of it can be outside.
            win32job.AssignProcessToJobObject(self._handle, int(process._handle))  # type: ignore[attr-defined]  # noqa: SLF001 - Popen shows it nowhere else
            psutil.Process(process.pid).resume()
        except (pywintypes.error, psutil.Error) as error:
            process.kill()
            raise OSError(f"job object: {error}") from error
        return process

    def interrupt(self, process: "subprocess.Popen[bytes]") -> None:
        """Send CTRL_BREAK to the group of a process; one that is gone is passed over."""
        with suppress(OSError):
            os.kill(process.pid, signal.CTRL_BREAK_EVENT)

    def pids(self) -> list[int]:
        """Return every process in the job."""
        found = win32job.QueryInformationJobObject(self._handle, win32job.JobObjectBasicProcessIdList)
        return [int(pid) for pid in found]

    def terminate(self) -> None:
        """End every process in the job at once."""
        with suppress(pywintypes.error):
            win32job.TerminateJobObject(self._handle, _EXIT_CODE_KILLED)

    def peak_memory_bytes(self) -> int:
        """Return the most memory that one process of the job had committed."""
        limits = win32job.QueryInformationJobObject(self._handle, win32job.JobObjectExtendedLimitInformation)
        return int(limits["PeakProcessMemoryUsed"])
