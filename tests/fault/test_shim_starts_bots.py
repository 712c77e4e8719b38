"""A bot is started as core.md §2 says, and its end is told as it was."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from agent.segments import Stream
from agent.shim.client import DoorbellKind
from agent.wire.words import ExitKind
from tests.support.shims import ShimHome, is_whole, output_of, python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

LOOK_AROUND = """
import json, os, resource, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0),
    "fds": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
    "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16),
    "no_new_privs": status["NoNewPrivs"].strip(), "sid": os.getsid(0), "pgid": os.getpgid(0), "pid": os.getpid(),
    "oom": open("/proc/self/oom_score_adj").read().strip(), "stdin": sys.stdin.read(),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
}))
"""


async def test_a_bot_finds_a_clean_world(home: ShimHome) -> None:
    """Own session, given folder, environment, limits; no foreign descriptor, no ignored signal (core.md §2)."""
    # given an order with its own environment and a limit
    env = {"PATH": os.environ["PATH"], "GREETING": "grüß dich", "ODD": "\udcff"}
    order = home.order((*python(LOOK_AROUND), "one two", "--x=ü"), env=env, rlimits={"NOFILE": (77, 88)})
    # when it runs
    bot = await (await home.hand_over(order)).started()
    record = await bot.ends()
    # then it saw just that
    seen = json.loads(output_of(bot.folder))
    assert record.code == 0
    assert seen["argv"] == ["one two", "--x=ü"]
    # Python itself adds LC_CTYPE when there is no locale.
    assert {name: value for name, value in seen["env"].items() if name != "LC_CTYPE"} == env
    assert seen["cwd"] == order.cwd
    assert seen["umask"] == 0o077
    assert seen["fds"] == [0, 1, 2]
    assert (seen["ignored"] & ~C_LIBRARYS_OWN, seen["blocked"]) == (python_ignores(), 0)
    assert seen["no_new_privs"] == "1"
    assert seen["sid"] == seen["pgid"] == seen["pid"]
    assert seen["oom"] == "500"
    assert seen["stdin"] == ""
    assert seen["nofile"] == [77, 88]


# Signals 32 and 33: whoever was started by posix_spawn (as make does) ignores the first, and nobody may change it.
C_LIBRARYS_OWN = 0b11 << 31


def python_ignores() -> int:
    """What a fresh Python ignores by itself: SIGPIPE and SIGXFSZ."""
    return (1 << (signal.SIGPIPE - 1)) | (1 << (signal.SIGXFSZ - 1))


@pytest.mark.parametrize("code", [0, 1, 3, 137, 255])
async def test_the_exit_code_is_the_bots(home: ShimHome, code: int) -> None:
    """A normal end keeps its number (reliability.md C5)."""
    record, _ = await home.run(f"import os; os._exit({code})")
    assert (record.how, record.code, record.signal) == (ExitKind.NORMAL, code, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_told_as_a_signal(home: ShimHome, number: signal.Signals) -> None:
    """A bot that a signal ended has no exit code (core.md §4: `failed: signal`)."""
    record, _ = await home.run(f"import os; os.kill(os.getpid(), {number.value})")
    assert (record.how, record.code, record.signal) == (ExitKind.SIGNAL, None, number.value)
    assert not record.signaled_by_stop


async def test_streams_keep_their_bytes_and_their_order(home: ShimHome) -> None:
    """Every byte of each stream is kept in order, complete by core.md §3."""
    # given a bot that writes odd bytes to both streams
    code = """
import os
for n in range(200):
    os.write(1, b"out %d \\x00\\xff\\r\\n" % n)
    os.write(2, b"err %d\\n" % n)
"""
    # when it runs
    bot = await home.start(code)
    record = await bot.ends()
    # then each stream is what was written
    assert output_of(bot.folder, Stream.STDOUT) == b"".join(b"out %d \x00\xff\r\n" % n for n in range(200))
    assert output_of(bot.folder, Stream.STDERR) == b"".join(b"err %d\n" % n for n in range(200))
    assert is_whole(record, output_of(bot.folder))


async def test_the_exit_is_told_ahead_of_the_end(home: ShimHome) -> None:
    """exited, then empty, then ended: facts go ahead of data (core.md §3)."""
    bot = await home.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('done')")
    (bot.folder / "work" / "go").touch()
    await bot.ends()
    assert bot.kinds() == [DoorbellKind.EXITED, DoorbellKind.EMPTY, DoorbellKind.ENDED, DoorbellKind.GONE]
    assert bot.bells[-2].exit is not None
    assert bot.bells[-2].exit.output_bytes == 5


@pytest.mark.parametrize(
    ("argv", "cwd", "step"),
    [
        (("/nowhere/bot",), None, "exec: "),
        (("/etc/passwd",), None, "exec: "),
        (python("pass"), "/nowhere", "folder: "),
    ],
)
async def test_a_command_that_cannot_start_says_why(
    home: ShimHome, argv: tuple[str, ...], cwd: str | None, step: str
) -> None:
    """A failed exec after `started` is failed: environment, with the OS's own text (core.md §4)."""
    # given a command that is not there, may not be run, or has no folder
    order = home.order(argv) if cwd is None else home.order(argv, cwd=cwd)
    # when it is ordered
    bot = await (await home.hand_over(order)).started()
    record = await bot.ends()
    # then the exit says that the command never ran, and why
    assert record.how is ExitKind.EXEC_FAILED
    assert record.code is None
    assert record.error.startswith(step)
    assert "Errno" in record.error


async def test_peak_memory_and_times_are_noted(home: ShimHome) -> None:
    """The exit record tells what the bot took (R30)."""
    record, _ = await home.run("x = bytearray(64 * 1024 * 1024); x[::4096] = b'1' * len(x[::4096])")
    assert record.peak_memory_bytes > 64 * 1024 * 1024
    assert record.started_wall_ns < record.ended_wall_ns


async def test_an_order_larger_than_a_socket_message_arrives(home: ShimHome) -> None:
    """A large order travels as a sealed memory file, still one message."""
    words = [f"{'x' * 1000}{n}" for n in range(600)]
    code = "import os, hashlib; print(hashlib.sha256(os.environ['BIG'].encode()).hexdigest())"
    env = {"BIG": "y" * 100_000}
    record, output = await home.run(code, env=env, masks=tuple(word.encode() for word in words))
    assert record.code == 0
    assert len(output) == 65


async def test_a_folder_may_have_a_long_name(home: ShimHome) -> None:
    """The shim's socket works below a path that no socket address can hold."""
    home.root = home.root / ("d" * 100) / ("e" * 100)
    bot = await home.start("print('deep')")
    assert (await bot.ends()).code == 0
    assert output_of(bot.folder) == b"deep\n"


async def test_the_shim_raises_no_oom_score_of_its_own(home: ShimHome) -> None:
    """The bot dies before its runner: 500 for the bot, the old score for the shim."""
    bot = await home.start("import sys, time; print('up'); time.sleep(60)")
    await bot.prints(b"up")
    assert Path(f"/proc/{bot.shim.pid}/oom_score_adj").read_text().strip() == "0"
    await bot.link.kill()
    assert (await bot.ends()).signal == signal.SIGKILL
