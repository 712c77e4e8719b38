"""The bot's child: what happens between fork and exec, in the order that core.md §2 gives, and why it is that order.

| step | why there |
|---|---|
| cgroup | first, so that nothing the child does is outside it: born in it, or else by its `cgroup.procs` |
| setsid | signals to the group reach the whole bot and nobody else |
| rlimits, umask 077, folder | as the runner's user, who may |
| signals | Python ignores SIGPIPE and SIGXFSZ; the shim ignores more; a bot expects the defaults |
| OOM score | the bot dies before its runner |
| close_range | everything but the pipe that tells an exec error |
| user | after all that needs the runner's rights |
| no_new_privs, parent-death signal | a change of user clears the signal; getppid says whether it came too late |
| exec | its failure is told by the pipe: step and errno |

The OOM score is inherited: a non-dumpable process may not open its own `oom_score_adj` (it belongs to root then), so
the shim raises its own by the descriptor it opened before, forks, and takes it back. Lowering to where it was is
allowed.
"""

import json
import os
import signal
import sys
from typing import NoReturn

from agent.shim import kernel
from agent.shim.body import Child, PipeSource, StartFailure
from agent.shim.order import ShimOrder

assert sys.platform != "win32"  # for the type checker; Windows has `body_windows`

import resource  # noqa: E402 - not there on Windows

BOT_OOM_SCORE = b"500"
_EXIT_EXEC_FAILED = 127


def start_child(order: ShimOrder, cgroup_procs: int, oom_file: int, wake: PipeSource) -> Child:
    """Fork the bot. Whether its exec succeeded is told by `exec_error`: end of file, or `read_failure`."""
    out_reader, out_writer = os.pipe()
    err_reader, err_writer = os.pipe()
    error_reader, error_writer = os.pipe()
    shim = os.getpid()
    score = _raise_oom_score(oom_file)
    pid = kernel.fork_into(order.cgroup) if cgroup_procs >= 0 and order.cgroup else -1
    if pid >= 0:
        cgroup_procs = -1  # it is there
    else:
        pid = os.fork()
    if pid == 0:
        _become_bot(order, (out_writer, err_writer, error_writer), cgroup_procs, shim)
    _restore_oom_score(oom_file, score)
    for fd in (out_writer, err_writer, error_writer):
        os.close(fd)
    return Child(
        pid=pid,
        stdout=PipeSource(out_reader),
        stderr=PipeSource(err_reader),
        wake=wake,
        exec_error=PipeSource(error_reader),
    )


def read_failure(data: bytes) -> StartFailure | None:
    """Decode what came by the exec-error pipe; nothing means that the bot runs."""
    if not data:
        return None
    step, number, text = json.loads(data)
    return StartFailure(step=step, errno=number, text=text)


def _become_bot(order: ShimOrder, pipes: tuple[int, int, int], cgroup_procs: int, shim: int) -> NoReturn:
    step = "cgroup"
    try:
        if cgroup_procs >= 0:
            os.write(cgroup_procs, b"0")
        for group in dict.fromkeys(order.groups.values()):
            if group != order.cgroup:
                _enter(group)
        step = "session"
        os.setsid()
        step = "limits"
        _set_limits(order, late=False)
        if order.cpus and sys.platform == "linux":
            os.sched_setaffinity(0, order.cpus)
        os.umask(0o077)
        step = "folder"
        os.chdir(order.cwd)
        step = "signals"
        _reset_signals()
        step = "descriptors"
        error_pipe = _arrange_descriptors(*pipes)
        pipes = (1, 2, error_pipe)
        _set_limits(order, late=True)
        step = "user"
        _change_user(order)
        step = "privileges"
        kernel.refuse_new_privileges()
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != shim:
            os._exit(_EXIT_EXEC_FAILED)
        step = "exec"
        os.execvpe(order.argv[0], order.argv, dict(order.env))  # noqa: S606 - starting the bot is what this is for
    except BaseException as error:  # noqa: BLE001 - the child has nobody to raise to but the pipe
        _tell(pipes[2], step, error)
    finally:
        os._exit(_EXIT_EXEC_FAILED)


def _set_limits(order: ShimOrder, *, late: bool) -> None:
    """Set the rlimits; open files late, when what this process itself had open is closed."""
    for name, (soft, hard) in order.rlimits.items():
        if (name == "NOFILE") is late:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (soft, hard))


def _enter(group: str) -> None:
    procs = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(procs, b"0")
    finally:
        os.close(procs)


def _reset_signals() -> None:
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _arrange_descriptors(out: int, err: int, error_pipe: int) -> int:
    """Put the streams where they belong and close the rest; return the exec-error pipe, which exec closes."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    # Pipes were made after 0, 1 and 2 were taken, so none of these is overwritten before it is used.
    os.dup2(nothing, 0, inheritable=True)
    os.dup2(out, 1, inheritable=True)
    os.dup2(err, 2, inheritable=True)
    os.set_inheritable(error_pipe, False)
    kernel.close_all_but({error_pipe})
    return error_pipe


def _change_user(order: ShimOrder) -> None:
    user = order.run_as
    if user is None:
        return
    os.setgroups(list(user.groups))
    if sys.platform == "linux":
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    else:
        os.setgid(user.gid)
        os.setuid(user.uid)


def _tell(pipe: int, step: str, error: BaseException) -> None:
    number = error.errno or 0 if isinstance(error, OSError) else 0
    os.write(pipe, json.dumps([step, number, str(error)[:500]]).encode())


def _raise_oom_score(oom_file: int) -> bytes:
    """Let the child inherit a bot's score; return the shim's own."""
    if oom_file < 0:
        return b""
    score = os.pread(oom_file, 16, 0).strip()
    try:
        if int(score) >= int(BOT_OOM_SCORE):
            return b""
        os.pwrite(oom_file, BOT_OOM_SCORE, 0)
    except (OSError, ValueError):
        return b""
    return score


def _restore_oom_score(oom_file: int, score: bytes) -> None:
    if not score:
        return
    try:
        os.pwrite(oom_file, score, 0)
    except OSError:
        return
