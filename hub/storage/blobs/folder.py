"""Blobs in a directory: `<root>/ab/<sha256>`, made under `<root>/incoming` and renamed when whole and durable (R53)."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.ports.files import AppendFile, Disk
from hub.storage.blobs.port import READ_BYTES, Blob, BlobGone

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class FolderBlobs:
    """The default store of blobs. Several threads may use it at once; the directory belongs to one hub."""

    def __init__(self, root: Path, disk: Disk) -> None:
        """Use `root`, made when it is not there; what a crash left half done is removed."""
        self._root = root
        self._disk = disk
        self._incoming = root / "incoming"
        disk.remove_tree(self._incoming)
        disk.make_folder(self._incoming)

    def add(self, chunks: Iterable[bytes]) -> Blob:
        """Store the joined `chunks` durably. Raises whatever the iterable raises, and then nothing was stored."""
        draft = self._incoming / secrets.token_hex(16)
        try:
            blob = self._write(draft, chunks)
            self._place(draft, blob)
        finally:
            draft.unlink(missing_ok=True)
        return blob

    def take(self, path: Path, sha256: str) -> Blob | None:
        """Store the file `path`, which lies on the store's disk, as the blob of that name; None when it is another.

        Durable on return, and `path` is gone in either case. Raises OSError, and then it is still there; empty where
        it could not be made durable.
        """
        file = self._disk.open_append(path)
        try:
            _sync_or_empty(file)
            blob = Blob(sha256=_digest(path), size_bytes=file.size)
        finally:
            file.close()
        if blob.sha256 == sha256:
            self._place(path, blob)
        path.unlink(missing_ok=True)
        return blob if blob.sha256 == sha256 else None

    def size(self, sha256: str) -> int | None:
        """Length of a blob in bytes, None when there is no such blob."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes from `start` on, at most `length`, in pieces of `READ_BYTES`. Raises BlobGone on the first step."""
        try:
            file = self._path(sha256).open("rb")
        except FileNotFoundError:
            raise BlobGone(sha256) from None
        with file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                piece = file.read(READ_BYTES if left is None else min(READ_BYTES, left))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece

    def _write(self, draft: Path, chunks: Iterable[bytes]) -> Blob:
        sha256 = hashlib.sha256()
        file = self._disk.open_append(draft)
        try:
            for chunk in chunks:
                sha256.update(chunk)
                file.write(chunk)
            file.sync()
            return Blob(sha256=sha256.hexdigest(), size_bytes=file.size)
        finally:
            file.close()

    def _place(self, draft: Path, blob: Blob) -> None:
        target = self._path(blob.sha256)
        if self.size(blob.sha256) != blob.size_bytes:
            self._disk.make_folder(target.parent)
            draft.replace(target)
        # Also where it was there: whoever put it there may not have come as far as this.
        self._disk.sync_folder(target.parent)

    def _path(self, sha256: str) -> Path:
        if not _SHA256.match(sha256):
            # Names come out of rows and URLs; none but a digest ever becomes a path (S38).
            raise BlobGone(sha256[:64])
        return self._root / sha256[:2] / sha256


def _sync_or_empty(file: AppendFile) -> None:
    """Make it durable. Raises OSError: of what a sync failed for nothing counts, whatever a later one says."""
    try:
        file.sync()
    except OSError:
        file.truncate(0)
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
