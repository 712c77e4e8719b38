"""A shim with an order outlives its daemon; the next daemon finds everything (core.md §2, §3; R21, R22)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.home import Home
from agent.process import find_by_execution_id, kill_leftovers, open_process, same_process
from agent.process_watch import is_gone, wait_gone
from agent.shim.client import DoorbellKind, ShimClient, ShimGone, ShimRefused
from agent.shim.exit_file import read_exit
from agent.shim.order import Role
from agent.wire.words import StopCause
from tests.support.shims import DISK, ShimHome, is_whole, output_of, python, shim_home, verdict_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

# A whole daemon in few lines: it starts one bot, says where, and then only waits to be killed.
DAEMON = """
import asyncio, sys
from pathlib import Path
from tests.support.shims import shim_home, python

async def main():
    async with shim_home(Path(sys.argv[1])) as home:
        bot = await home.start(sys.argv[2])
        print(bot.folder, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
PRINTS_ON = """
import sys, time
for number in range(400):
    print("line", number)
    if number % 20 == 0:
        time.sleep(0.1)
sys.exit(9)
"""


def start_daemon(root: Path, code: str) -> tuple["subprocess.Popen[str]", Path]:
    """Run a daemon of its own process; return it and the folder of its bot."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(root), code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert daemon.stdout is not None
    return daemon, Path(daemon.stdout.readline().strip())


def kill_daemon(daemon: "subprocess.Popen[str]") -> None:
    assert daemon.stdout is not None
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()


async def test_a_bot_ends_whole_after_its_daemon_was_killed(tmp_path: Path) -> None:
    """After kill -9 of the daemon while the bot prints: true exit code, every byte, sha256 equal (R21)."""
    # given a daemon whose bot prints
    daemon, folder = start_daemon(tmp_path, PRINTS_ON)
    await eventually(lambda: b"line 50\n" in output_of(folder))
    # when the daemon is killed, and nobody takes its place
    kill_daemon(daemon)
    await eventually(lambda: (record := read_exit(folder, DISK)) is not None and record.final, within=20)
    # then everything stands in the folder
    record = read_exit(folder, DISK)
    assert record is not None
    output = output_of(folder)
    assert output == b"".join(b"line %d\n" % number for number in range(400))
    assert (record.code, is_whole(record, output)) == (9, True)
    assert not (folder / "socket").exists()


async def test_the_next_daemon_adopts(tmp_path: Path) -> None:
    """A new daemon finds the shim by pid, start and nonce, and stops its bot (R21)."""
    daemon, folder = start_daemon(tmp_path, "import time; print('up'); time.sleep(600)")
    await eventually(lambda: b"up" in output_of(folder))
    kill_daemon(daemon)
    # when this process is the next daemon: all it has is the folder
    verdict = verdict_of(folder)
    assert verdict is not None
    assert same_process(verdict.pid, verdict.start)
    pidfd = open_process(verdict.pid, verdict.start)
    assert pidfd is not None
    client = await ShimClient.connect(folder, verdict.nonce)
    # then it knows the execution, and can end it
    assert client.state.execution_id == folder.name
    assert client.state.length == 3
    await client.stop(StopCause.CANCEL, by="next")
    kinds = [bell.kind async for bell in client.doorbells()]
    assert kinds[-4:] == [DoorbellKind.EXITED, DoorbellKind.EMPTY, DoorbellKind.ENDED, DoorbellKind.GONE]
    await wait_gone(verdict.pid, verdict.start, pidfd)
    assert is_gone(pidfd)
    os.close(pidfd)
    assert not same_process(verdict.pid, verdict.start)
    assert open_process(verdict.pid, verdict.start) is None


async def test_daemon_and_shim_killed_leave_no_orphan_that_the_next_cannot_end(tmp_path: Path) -> None:
    """Both killed: the bot dies with its shim; what left the tree is found by its environment (R22, core.md §2)."""
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon"); time.sleep(600)
    os._exit(0)
time.sleep(600)
"""
    daemon, folder = start_daemon(tmp_path, code)
    await eventually(lambda: b"daemon" in output_of(folder))
    verdict = verdict_of(folder)
    assert verdict is not None
    kill_daemon(daemon)
    os.kill(verdict.pid, signal.SIGKILL)
    # The main process has the parent-death signal; the other one has nobody.
    await eventually(lambda: len(find_by_execution_id(folder.name)) == 1)
    assert kill_leftovers(folder.name, verdict.boot_ns) == []
    await eventually(lambda: not find_by_execution_id(folder.name))


async def test_neither_zygote_nor_shim_keeps_the_home_locked(tmp_path: Path) -> None:
    """core.md §2: the idle shim closes the home lock: an inherited flock stops the next daemon while a bot runs."""
    locked = Home.lock(tmp_path / "home", DISK)
    async with shim_home(tmp_path / "executions") as shims:
        bot = await shims.start("import time; time.sleep(20)")
        # when its daemon is gone, the next one gets the home: it is refused while anybody holds the lock
        locked.release()
        Home.lock(tmp_path / "home", DISK).release()
        await bot.link.kill()
        await bot.ends()


def test_leftovers_older_than_the_verdict_are_spared() -> None:
    """A process with this variable that started before the verdict is not the bot's (core.md §2)."""
    bystander = subprocess.Popen(["sleep", "600"], env={"BOTYARD_EXECUTION_ID": "exe_old"})
    try:
        far = 2**62
        assert kill_leftovers("exe_old", far) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_only_who_has_the_nonce_is_served(home: ShimHome) -> None:
    """The socket asks for the nonce (core.md §2)."""
    bot = await home.start("import time; time.sleep(600)")
    with pytest.raises(ShimGone):
        await ShimClient.connect(bot.folder, "0" * 32)
    # and the right daemon is still served
    assert (await bot.link.read_state()).pid == bot.link.state.pid
    await bot.link.kill()
    await bot.ends()
    with pytest.raises(ShimGone):
        await bot.link.read_state()
    with pytest.raises(ShimGone):
        await ShimClient.connect(bot.folder, bot.order.nonce)


async def test_masks_are_in_force_when_the_answer_comes_and_can_be_read_back(home: ShimHome) -> None:
    """Masks of the order before `started`, later ones from their answer on; a new daemon reads all (core.md §2, §3)."""
    code = "import sys, os\nprint('first-secret'); print('in'); os.read(0, 1)"
    code += "\nwhile not os.path.exists('go'): pass\nprint('x second-secret y')"
    bot = await home.start(code, masks=(b"first-secret",))
    await bot.prints(b"in\n")
    await bot.link.add_masks([b"second-secret", b"\xff\x00\xfe\x01"])
    (bot.folder / "work" / "go").touch()
    assert await bot.link.read_masks() == (b"first-secret", b"second-secret", b"\xff\x00\xfe\x01")
    await bot.ends()
    assert output_of(bot.folder) == b"***\nin\nx *** y\n"
    assert not any(b"-secret" in path.read_bytes() for path in bot.folder.rglob("*") if path.is_file())


async def test_the_gateways_socket_comes_back_from_the_shim(home: ShimHome) -> None:
    """Calls during a daemon's restart wait in the backlog; the new daemon takes the socket back (core.md §6)."""
    # given a listening socket whose copy a shim holds, and whose owner is gone
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    order = replace(home.order(python("import time; time.sleep(600)")), descriptors=(Role.GATEWAY,))
    bot = await (await home.hand_over(order, (listener.fileno(),))).started()
    listener.close()
    # when somebody calls meanwhile
    caller = socket.create_connection(("127.0.0.1", port), 5)
    caller.sendall(b"hello")
    # then the next daemon gets the call
    taken = await bot.link.take_gateway_socket()
    taken.setblocking(True)
    accepted, _ = taken.accept()
    assert accepted.recv(5) == b"hello"
    for each in (caller, accepted, taken):
        each.close()
    await bot.link.kill()
    await bot.ends()


async def test_a_shim_without_a_gateway_socket_says_so(home: ShimHome) -> None:
    """What cannot be done is refused with a reason, and the connection goes on."""
    bot = await home.start("import time; time.sleep(600)")
    with pytest.raises(ShimRefused, match="no gateway"):
        await bot.link.take_gateway_socket()
    await bot.link.kill()
    await bot.ends()


async def test_the_bot_cannot_read_its_shim(home: ShimHome) -> None:
    """The shim is not dumpable: its memory and descriptors belong to root, whoever the bot is (S17)."""
    bot = await home.start("import time; time.sleep(600)")
    assert Path(f"/proc/{bot.shim.pid}/mem").stat().st_uid == 0
    status = Path(f"/proc/{bot.shim.pid}/status").read_text()
    assert "botyard-shim" in status
    await bot.link.kill()
    await bot.ends()


async def test_signals_of_a_terminal_do_not_reach_a_shim(home: ShimHome) -> None:
    """A shim with an order has its own session and ignores HUP, INT, TERM (core.md §2)."""
    bot = await home.start("import time; print('up'); time.sleep(600)")
    await bot.prints(b"up")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        os.kill(bot.shim.pid, number)
    assert (await bot.link.read_state()).cause is None
    assert os.getsid(bot.shim.pid) == bot.shim.pid
    await bot.link.kill()
    assert (await bot.ends()).signal == signal.SIGKILL


async def test_doorbells_need_no_reader_that_keeps_up(home: ShimHome) -> None:
    """Rings for output join: a daemon that reads late finds one of them, with the last length."""
    bot = await home.start("import os\nfor _ in range(500): os.write(1, b'x' * 1000)")
    await eventually(lambda: read_exit(bot.folder, DISK) is not None)
    await asyncio.sleep(0)
    await bot.ends()
    rings = [bell.length for bell in bot.bells if bell.kind is DoorbellKind.OUTPUT]
    assert len(rings) < 500
    assert rings == sorted(rings)
