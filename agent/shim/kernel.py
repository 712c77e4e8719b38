"""The few system calls that Python has no name for; each does nothing where the platform has none.

Loaded by the zygote before it forks, so that no shim pays for `ctypes`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CLOCK_BOOTTIME = 7
_TFD_FLAGS = 0o2000000 | 0o4000  # TFD_CLOEXEC | TFD_NONBLOCK
_TFD_TIMER_ABSTIME = 1
_SYS_CLONE3 = 435
_CLONE_INTO_CGROUP = 0x2_0000_0000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class _CloneArgs(ctypes.Structure):
    """`struct clone_args` of Linux 5.7."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size"),
            *("tls", "set_tid", "set_tid_size", "cgroup"),
        )
    )


if sys.platform == "linux":
    _libc = ctypes.CDLL(None, use_errno=True)
    # Keeps the interpreter's lock over the call: the child has it, too, and need not take it.
    _held_syscall = ctypes.PyDLL(None, use_errno=True).syscall
    _prctl = _libc.prctl
    _prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)

    def _set(option: int, value: int) -> None:
        if _prctl(option, value, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({option}): {os.strerror(number)}")

    def become_subreaper() -> None:
        """Take over each orphan below this process; so its tree is empty exactly when it has no child."""
        _set(_PR_SET_CHILD_SUBREAPER, 1)

    def forbid_dumps() -> None:
        """Let no process of the same user read this one's memory (S17); its /proc entries become root's."""
        _set(_PR_SET_DUMPABLE, 0)

    def die_with_parent(signal_number: int) -> None:
        """Ask for a signal when the parent ends; a change of user clears it."""
        _set(_PR_SET_PDEATHSIG, signal_number)

    def refuse_new_privileges() -> None:
        """Make set-user-id bits count for nothing from here on."""
        _set(_PR_SET_NO_NEW_PRIVS, 1)

    def name_process(name: str) -> None:
        """Show `name` (15 bytes at most) in lists of processes."""
        buffer = ctypes.create_string_buffer(name.encode()[:15])
        _prctl(_PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0)

    def fork_into(group: str) -> int:
        """Fork a child that is born in a cgroup (v2): 0 in it, -1 where this cannot be done, and then nothing was.

        Entering by `cgroup.procs` waits for every thread of the machine to pass a barrier, 16-25 ms [M]; this 1-4.
        For a single-threaded process whose child only makes system calls and execs: no handlers of fork are run.
        """
        try:
            folder = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return -1
        wanted = _CloneArgs(flags=_CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=folder)
        try:
            return int(_held_syscall(_SYS_CLONE3, ctypes.byref(wanted), ctypes.sizeof(wanted)))
        finally:
            os.close(folder)

    def open_timer() -> int:
        """Open a timer on the clock that counts suspend; -1 where there is none."""
        return int(_libc.timerfd_create(_CLOCK_BOOTTIME, _TFD_FLAGS))

    def set_timer(timer: int, due_boot_ns: int) -> None:
        """Make `timer` readable at that time of `Clock.boot_ns`, also right after the machine wakes up."""
        due = _TimeSpec(due_boot_ns // 1_000_000_000, due_boot_ns % 1_000_000_000)
        spec = _TimerSpec(_TimeSpec(0, 0), due)
        _libc.timerfd_settime(timer, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

else:

    def become_subreaper() -> None:
        """Do nothing: this platform has no subreapers."""

    def forbid_dumps() -> None:
        """Do nothing here."""

    def die_with_parent(signal_number: int) -> None:
        """Do nothing: this platform sends no signal when a parent ends."""

    def refuse_new_privileges() -> None:
        """Do nothing here."""

    def name_process(name: str) -> None:
        """Do nothing here."""

    def fork_into(group: str) -> int:  # noqa: ARG001 - the same signature
        """Do nothing: there are no cgroups here."""
        return -1

    def open_timer() -> int:
        """Open a timer on the clock that counts suspend; -1 where there is none."""
        return -1

    def set_timer(timer: int, due_boot_ns: int) -> None:
        """Do nothing here."""


def close_all_but(keep: set[int]) -> None:
    """Close every descriptor above 2 that is not in `keep`."""
    floor = 3
    for fd in sorted(fd for fd in keep if fd >= 3):
        os.closerange(floor, fd)
        floor = fd + 1
    os.closerange(floor, _descriptor_limit())


if sys.platform == "darwin":

    def _descriptor_limit() -> int:
        return int(os.sysconf("SC_OPEN_MAX"))

else:

    def _descriptor_limit() -> int:
        # close_range(2) does the whole range in one call on Linux >= 5.9; CPython's closerange uses it.
        return 1_048_576
