"""What the runner fetches of builds over HTTP, behind a port: paths are those of `agent.wire.builds`."""

from collections.abc import AsyncIterator
from typing import Protocol


class HubFiles(Protocol):
    """The hub's files, as the open session's ticket allows; no session is `HubUnreachableError`."""

    def download(self, path: str, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes at `path` from `start` on. Raises HubUnreachableError (also midway) and GoneAtHubError."""
        ...

    async def upload(self, path: str, data: bytes) -> None:
        """PUT `data`. Raises HubUnreachableError, and PreparationError when the hub refuses it."""
        ...


async def read_all(files: HubFiles, path: str, limit_bytes: int) -> bytes:
    """A small answer as a whole. Raises what `download` raises, and ValueError when it is longer than the limit."""
    data = bytearray()
    async for piece in files.download(path):
        data += piece
        if len(data) > limit_bytes:
            raise ValueError(f"the hub's answer at {path} is longer than {limit_bytes} bytes")
    return bytes(data)
