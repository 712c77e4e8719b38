"""What the hub asks of a store of blobs; every call blocks and belongs into a thread (`asyncio.to_thread`)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

READ_BYTES = 256 * 1024
"""Size of the pieces in which blobs are read and written."""


class BlobGone(Exception):  # noqa: N818  # a state of the store, not a fault of the caller
    """No blob has this sha256 (R55)."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"blob {sha256} is not in the store")
        self.sha256 = sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A stored content: its name and its length."""

    sha256: str
    size_bytes: int


class Blobs(Protocol):
    """Contents by sha256."""

    def add(self, chunks: Iterable[bytes]) -> Blob:
        """Store the joined `chunks` durably. Raises whatever the iterable raises, and then nothing was stored."""
        ...

    def take(self, path: Path, sha256: str) -> Blob | None:
        """Store the file `path`, which lies on the store's disk, as the blob of that name; None when it is another.

        Durable on return, and `path` is gone in either case. Raises OSError, and then it is still there.
        """
        ...

    def size(self, sha256: str) -> int | None:
        """Length of a blob in bytes, None when there is no such blob."""
        ...

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes from `start` on, at most `length`, in pieces of `READ_BYTES`. Raises BlobGone on the first step."""
        ...
