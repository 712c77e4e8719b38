"""The machine, as far as a service is installed on it: the one part that acts; tests have another."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Protocol

from agent.config import current_environment
from agent.desktops.records import end_all
from agent.errors import AgentError
from agent.folders import Folders
from agent.ports import SystemDisk
from agent.ports.tools import ToolCommand, run_tool
from agent.service.spec import Command, File

_TOOL_S = 120.0
_END_S = 90.0
_LOOK_S = 0.2


class Ground(Protocol):
    """What `acting.py` needs of a machine."""

    def read(self, path: str, encoding: str = "utf-8") -> str | None:
        """Text of a file; None where there is none. Raises OSError."""
        ...

    def write(self, file: File) -> None:
        """Put a file there in one step, and the folders above it. Raises OSError."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; none there is fine. Raises OSError."""
        ...

    def remove_tree(self, path: str) -> None:
        """Remove a folder and all below it; none there is fine. Raises OSError."""
        ...

    def names(self, path: str) -> list[str]:
        """Names in a folder; none where there is none."""
        ...

    def run(self, command: Command) -> tuple[int, str]:
        """Run a tool, as often as it says; exit code and output. Raises OSError where there is no such tool."""
        ...

    def is_admin(self) -> bool:
        """Whether this process may change the machine."""
        ...

    def has_user(self, name: str) -> bool:
        """Whether the machine knows a user."""
        ...

    def is_foreign(self, home: str, user: str) -> bool:
        """Whether the home, or a name right in it, is not this user's."""
        ...

    def ask(self, home: str, word: str) -> dict[str, Any] | None:
        """Send the daemon of a home a request; None where none answers, or it is not ours to ask."""
        ...

    def end_desktops(self, home: str) -> int:
        """End the virtual desktops of a home in which no daemon runs; how many there were."""
        ...

    def wait_for_end(self, home: str) -> bool:
        """Wait until no daemon of a home answers; False when one still does after 90 s."""
        ...


class SystemGround:
    """The machine we stand on."""

    def __init__(self) -> None:
        self._disk = SystemDisk()

    def read(self, path: str, encoding: str = "utf-8") -> str | None:
        """Text of a file; None where there is none."""
        data = self._disk.read(Path(path))
        # Whatever somebody else put there is not what we write, and is replaced.
        return None if data is None else data.decode(encoding, errors="replace")

    def write(self, file: File) -> None:
        """Put a file there in one step, and the folders above it."""
        path = Path(file.path)
        self._disk.make_folder(path.parent, 0o755)
        self._disk.write_durable(path, file.text.encode(file.encoding), file.mode)

    def remove(self, path: str) -> None:
        """Remove a file; none there is fine."""
        self._disk.remove(Path(path))

    def remove_tree(self, path: str) -> None:
        """Remove a folder and all below it; none there is fine."""
        self._disk.remove_tree(Path(path))

    def names(self, path: str) -> list[str]:
        """Names in a folder; none where there is none."""
        return self._disk.names(Path(path))

    def run(self, command: Command) -> tuple[int, str]:
        """Run a tool to its end, as often as it says; exit code and output."""
        return asyncio.run(_run(command))

    def is_admin(self) -> bool:
        """Whether this process may change the machine."""
        if sys.platform == "win32":
            import ctypes

            return bool(ctypes.windll.shell32.IsUserAnAdmin())
        return os.geteuid() == 0

    def has_user(self, name: str) -> bool:
        """Whether the machine knows a user."""
        if sys.platform == "win32":
            import pywintypes
            import win32security

            try:
                win32security.LookupAccountName(None, name)
            except pywintypes.error:
                return False
            return True
        import pwd

        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
        return True

    def is_foreign(self, home: str, user: str) -> bool:
        """Whether the home, or a name right in it, is not this user's."""
        if sys.platform == "win32":
            return False
        import pwd

        uid = pwd.getpwnam(user).pw_uid
        return any(path.lstat().st_uid != uid for path in (Path(home), *Path(home).iterdir()))

    def ask(self, home: str, word: str) -> dict[str, Any] | None:
        """Send the daemon of a home a request; None where none answers, or it is not ours to ask."""
        from agent.daemon.control import ask

        try:
            return asyncio.run(ask(Folders(home=Path(home)).control, word))
        except AgentError:
            return None

    def end_desktops(self, home: str) -> int:
        """End the virtual desktops of a home in which no daemon runs; how many there were."""
        return end_all(Path(home), self._disk)

    def wait_for_end(self, home: str) -> bool:
        """Wait until no daemon of a home answers; False when one still does after 90 s."""
        return asyncio.run(self._wait_for_end(home))

    async def _wait_for_end(self, home: str) -> bool:
        from agent.daemon.control import ask

        try:
            async with asyncio.timeout(_END_S):
                while True:
                    await ask(Folders(home=Path(home)).control, "status")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return False
        except AgentError:
            return True


async def _run(command: Command) -> tuple[int, str]:
    tool = ToolCommand(argv=command.argv, env=_environment(), cwd=Path(Path.cwd().anchor), timeout_s=_TOOL_S)
    done = await run_tool(tool)
    for _ in range(command.tries - 1):
        if command.ok is None or done.exit_code in command.ok:
            break
        await asyncio.sleep(1)
        done = await run_tool(tool)
    return (1 if done.exit_code is None else done.exit_code), done.output


def _environment() -> dict[str, str]:
    """Ours, with answers in one language; and the way to the user's own manager, which `su` does not bring."""
    known = {**current_environment(), "LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    if sys.platform == "linux" and "XDG_RUNTIME_DIR" not in known and Path(own := f"/run/user/{os.getuid()}").is_dir():
        known["XDG_RUNTIME_DIR"] = own
    return known
