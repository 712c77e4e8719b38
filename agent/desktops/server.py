"""One X server: started, known to be ready, ended. Linux only.

    cookie file > exec (own session, own control group) > its number, by -displayfd > handshake with the cookie > ready

The server chooses the number itself, so that what a crashed one left behind is in nobody's way; the handshake tells
whether the server behind the number is ours.
"""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.cgroups.choice import Hierarchies
from agent.cgroups.groups import Group, make_group, remove_group
from agent.desktops import x11
from agent.desktops.authority import authority, new_cookie
from agent.desktops.choice import VirtualPlan
from agent.desktops.programs import END_S, collect, gone_or_killed, hold, never_waits, send, start_program
from agent.desktops.records import Made, Record, Records
from agent.process import KILL, open_process, start_of
from agent.process_watch import wait_gone

START_S = 10.0
_SAID_BYTES = 4096
_NUMBER_BYTES = 16


class NotStartedError(Exception):
    """The X server is not there; one sentence with what it said."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A living X server. `pidfd` is closed by `forget`."""

    record: Record
    cookie: bytes
    pidfd: int
    group: Group = field(default_factory=Group)

    @property
    def display(self) -> x11.Display:
        """Its address."""
        return x11.Display(host="", number=self.record.number)

    async def gone(self) -> None:
        """Return when it has ended."""
        # A copy for each that waits: a loop tells of a descriptor to one of them only.
        own = os.dup(self.pidfd)
        try:
            await wait_gone(self.record.pid, self.record.start, own)
        finally:
            os.close(own)

    async def end(self) -> None:
        """Ask it to end, kill it after two seconds; it has ended on return."""
        send(self.pidfd, signal.SIGTERM)
        await gone_or_killed(self.gone, self.pidfd)

    async def drop(self) -> None:
        """End it at once: nobody was given it."""
        send(self.pidfd, KILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.gone()
        self.forget()

    def forget(self) -> None:
        """It has ended: nothing of it is kept."""
        self.let_go()
        collect(self.record.pid)
        remove_group(self.group)

    def let_go(self) -> None:
        """It lives on, for the next daemon."""
        os.close(self.pidfd)


def command_of(plan: VirtualPlan, slot: int, number_fd: int, authority_file: Path) -> list[str]:
    """The server's command line. No secret is in it; no port is opened, on this machine or to others.

    Never with ``-nolisten local``: by that address, which only one can have, a server knows that a number is taken.
    Without it each takes :0, and the socket of whoever has it.
    """
    common = ["-dpi", str(plan.dpi), "-nolisten", "tcp", "-noreset", "-auth", str(authority_file)]
    if plan.server == "xvfb":
        size = f"{plan.width}x{plan.height}x24"
        return [plan.program, "-displayfd", str(number_fd), "-screen", "0", size, *common]
    # The socket lies in the server's own folder: an address may be short only, and a home's path is long.
    screen = ["-rfbunixpath", f"{slot}.rfb", "-rfbunixmode", "0600", "-SecurityTypes", "None"]
    # Without this Xvnc lets everybody on the network in, password or not, beside the socket.
    closed = ["-rfbport", "-1"]
    size = f"{plan.width}x{plan.height}"
    return [plan.program, "-displayfd", str(number_fd), "-geometry", size, "-depth", "24", *screen, *closed, *common]


async def start(plan: VirtualPlan, slot: int, records: Records, hierarchies: Hierarchies) -> Server:
    """A server that answers to its cookie. Raises NotStartedError, OSError; nothing is left then but a cookie."""
    cookie = new_cookie()
    await asyncio.to_thread(_clear, records, slot, cookie)
    number_reader, number_writer = os.pipe()
    said_reader, said_writer = os.pipe()
    # A server that has more to say than anybody reads must not wait for it.
    never_waits(said_writer)
    try:
        try:
            argv = command_of(plan, slot, number_writer, records.authority(slot))
            pid = await asyncio.to_thread(
                start_program, argv, records.folder, {}, said_fd=said_writer, pass_fd=number_writer
            )
        finally:
            os.close(number_writer)
            os.close(said_writer)
        server = _of_process(pid, slot, plan, cookie)
        try:
            server.group = _grouped(pid, hierarchies)
            await _made_ready(server, number_reader, records)
        except (x11.XUnreached, TimeoutError) as error:
            await server.drop()
            raise NotStartedError(_why(plan, said_reader, error)) from None
        except BaseException:
            await server.drop()
            raise
        return server
    finally:
        os.close(number_reader)
        os.close(said_reader)


async def _made_ready(server: Server, number_reader: int, records: Records) -> None:
    """Its number, its cookie for that number, its answer, a note of it. Raises XUnreached, TimeoutError, OSError."""
    number = await _number(number_reader, server)
    server.record = record = replace(server.record, number=number)
    await asyncio.to_thread(records.write_authority, record.slot, authority(server.cookie, number))
    await x11.ask(server.display, server.cookie)
    await asyncio.to_thread(records.write, record)


def adopt(record: Record, records: Records) -> Server | None:
    """The server of an earlier daemon, if it is that one still; whether it answers is to be asked."""
    pidfd = open_process(record.pid, record.start)
    if pidfd is None:
        return None
    display = x11.Display(host="", number=record.number)
    cookie = x11.find_cookie(records.read_authority(record.slot), display, "")
    return Server(record=record, cookie=cookie, pidfd=pidfd)


def _clear(records: Records, slot: int, cookie: bytes) -> None:
    records.forget(slot)
    records.write_authority(slot, authority(cookie))


def _of_process(pid: int, slot: int, plan: VirtualPlan, cookie: bytes) -> Server:
    # Our own child: its pid is nobody else's before we have waited for it.
    pidfd = hold(pid)
    record = Record(slot=slot, pid=pid, start=start_of(pid) or "", number=-1, made=Made.of(plan))
    return Server(record=record, cookie=cookie, pidfd=pidfd)


def _grouped(pid: int, hierarchies: Hierarchies) -> Group:
    group = make_group(f"desktop-{pid}", {}, hierarchies)
    if group.kill is not None:
        with suppress(OSError):
            (group.kill / "cgroup.procs").write_text(str(pid))
    return group


async def _number(reader: int, server: Server) -> int:
    """The display's number, as the server writes it when it listens. Raises XUnreached, TimeoutError."""
    never_waits(reader)
    loop = asyncio.get_running_loop()
    said = b""
    async with asyncio.timeout(START_S):
        while not said.endswith(b"\n"):
            is_readable = asyncio.Event()
            loop.add_reader(reader, is_readable.set)
            try:
                await is_readable.wait()
            finally:
                loop.remove_reader(reader)
            part = os.read(reader, _NUMBER_BYTES)
            if not part:
                await server.gone()
                raise x11.XUnreached("it has ended")
            said += part
    try:
        return int(said)
    except ValueError:
        raise x11.XUnreached("it says no number of a display") from None


def _why(plan: VirtualPlan, said_reader: int, error: BaseException) -> str:
    """With the last thing that it said itself."""
    never_waits(said_reader)
    said = b""
    with suppress(OSError):
        said = os.read(said_reader, _SAID_BYTES)
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    complaint = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")
    why = f"no answer within {START_S:g} s" if isinstance(error, TimeoutError) else str(error)
    return f"{Path(plan.program).name}: {why}" + (f" ({complaint[:200]})" if complaint else "")
