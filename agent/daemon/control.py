"""`botyard-agent status`, `drain` and `stop` reach the daemon by a socket in its home: one line of JSON each way.

The home is 0700 and the socket 0600: whoever may open it is the runner's own user or root. On Windows it is a pipe
named after the home, which its own user, administrators and the system may write to: a new pipe's usual rights.
"""

import asyncio
import hashlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
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
        """A loop of the daemon's TaskGroup; returns where somebody else has its name (Windows)."""
        if sys.platform == "win32":
            await self._serve_pipe()
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

    if sys.platform == "win32":

        async def _serve_pipe(self) -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, asyncio.ProactorEventLoop)

            def protocol() -> asyncio.StreamReaderProtocol:
                return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_LINE_MAX_BYTES), self._answer)

            try:
                # The first of its name, or none: nobody else's pipe is taken for ours.
                (server,) = await loop.start_serving_pipe(protocol, pipe_name(self._path))
            except OSError as error:
                log.error("status, drain and stop do not reach this daemon: %s", error)  # noqa: TRY400
                return
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

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
    try:
        async with asyncio.timeout(_STOP_S), _connection(path) as (reader, writer):
            writer.write(json.dumps({"do": word}).encode() + b"\n")
            line = await reader.readline()
    except TimeoutError:  # an OSError, too
        raise AgentError("the daemon does not answer") from None
    except PermissionError:
        raise AgentError(f"the daemon of {path.parent} answers its own user and administrators only") from None
    except OSError:
        start = "`botyard-agent service start` or `botyard-agent run` starts one"
        raise AgentError(f"no botyard-agent runs in {path.parent}: {start}") from None
    answer: Answer = json.loads(line) if line else {}
    if "error" in answer:
        raise AgentError(str(answer["error"]))
    return answer


def pipe_name(path: Path) -> str:
    """The named pipe of a home: paths are long, and one folder has one name, however it is written."""
    home = os.path.normcase(path.parent.absolute())
    return rf"\\.\pipe\botyard-agent-{hashlib.sha256(home.encode()).hexdigest()[:32]}"


if sys.platform == "win32":

    @asynccontextmanager
    async def _connection(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, asyncio.ProactorEventLoop)
        reader = asyncio.StreamReader(limit=16 * _LINE_MAX_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_pipe_connection(lambda: protocol, pipe_name(path))
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            yield reader, writer
        finally:
            writer.close()

else:

    @asynccontextmanager
    async def _connection(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            reader, writer = await asyncio.open_unix_connection(_short(path, folder), limit=16 * _LINE_MAX_BYTES)
            try:
                yield reader, writer
            finally:
                writer.close()
        finally:
            os.close(folder)


def _short(path: Path, folder: int) -> str:
    """An address of at most 108 bytes, however long the home's path is."""
    return f"/proc/self/fd/{folder}/{path.name}" if sys.platform == "linux" else str(path)
