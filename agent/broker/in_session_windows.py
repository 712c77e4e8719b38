# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""A module of ours as a process in another session, met on loopback: no handle is inherited from session to session."""

import sys
from pathlib import Path
from typing import BinaryIO

assert sys.platform == "win32"  # for the type checker

from agent.broker import calls_windows as calls
from agent.service.windows_words import quoted
from agent.shim.meeting import Meeting, Stream

_COME_WITHIN_S = 20.0


class InSession:
    """See `agent.zygote_windows.Begun`. Made by `begin`."""

    def __init__(self, process: calls.SessionProcess, stream: Stream, session: int) -> None:
        self._process = process
        self._stream = stream
        self._session = session
        self.pid = process.pid

    @property
    def to(self) -> BinaryIO:
        """Takes what it is told."""
        return self._stream.file

    @property
    def answers(self) -> BinaryIO:
        """Gives what it says."""
        return self._stream.file

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return self._process.is_alive

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()

    def admit(self, folder: Path) -> None:
        """Let its user write into an execution's folder, and into that only. Raises OSError."""
        calls.let_in(folder, calls.user_of(self._session), may_write=True)


def begin(session: int, module: str) -> InSession:
    """Start a module in a session, as its user, and meet it. Blocks; raises OSError."""
    meeting = Meeting()
    try:
        command = " ".join(map(quoted, [sys.executable, "-I", "-m", module]))
        process = calls.start_in(session, command, str(Path(sys.executable).parent), meeting.variables)
        return InSession(process, meeting.wait(_COME_WITHIN_S, lambda: process.is_alive), session)
    finally:
        meeting.close()
