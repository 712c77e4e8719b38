"""`botyard-agent status`, `drain` and `stop` reach the daemon by a socket in its home: one line of JSON each way.

The home is 0700 and the socket 0600: whoever may open it is the runner's own user or root. Windows waits for its named
pipe (`packaging.md` §3); there these commands say that they cannot reach the daemon.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.errors import AgentError

log = logging.getLogger(__name__)
_LINE_MAX_BYTES = 64 * 1024
_ANSWER_S = 5.0
_STOP_S = 90.0

Answer = dict[str, Any]
Handler = Callable[[], Awaitable[Answer]]


class ControlSocket:
    """Serves requests by their word; an unknown one is answered with an error."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers

    async def serve(self) -> None:
        """A loop of the daemon's TaskGroup; returns at once where there are no such sockets."""
        if sys.platform == "win32":
            return
        self._path.unlink(missing_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = _short(self._path, folder)
            server = await asyncio.start_unix_server(self._answer, path=place, limit=_LINE_MAX_BYTES)
            self._path.chmod(0o600)
            async with server:
                await server.serve_forever()
        finally:
            os.close(folder)
            self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                line = await reader.readline()
            word = str(json.loads(line).get("do")) if line else ""
            handler = self._handlers.get(word)
            answer = await handler() if handler else {"error": f"unknown request {word!r}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(_ANSWER_S):
                await writer.drain()
        writer.close()


async def ask(path: Path, word: str) -> Answer:
    """Send one request to the daemon of a home. Raises AgentError when none answers."""
    if sys.platform == "win32":
        raise AgentError("this command cannot reach the daemon on Windows yet")
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise AgentError(f"no botyard-agent runs in {path.parent}") from None
    try:
        async with asyncio.timeout(_STOP_S):
            reader, writer = await asyncio.open_unix_connection(_short(path, folder), limit=16 * _LINE_MAX_BYTES)
            writer.write(json.dumps({"do": word}).encode() + b"\n")
            line = await reader.readline()
            writer.close()
    except OSError:
        raise AgentError(f"no botyard-agent runs in {path.parent}") from None
    except TimeoutError:
        raise AgentError("the daemon does not answer") from None
    finally:
        os.close(folder)
    answer: Answer = json.loads(line) if line else {}
    if "error" in answer:
        raise AgentError(str(answer["error"]))
    return answer


def _short(path: Path, folder: int) -> str:
    """An address of at most 108 bytes, however long the home's path is."""
    return f"/proc/self/fd/{folder}/{path.name}" if sys.platform == "linux" else str(path)
