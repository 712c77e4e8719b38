"""What a jar says of itself: its `META-INF/MANIFEST.MF`, read out of the stored blob."""

import io
import zipfile
import zlib
from typing import IO, cast

from agent.wire.builds import ManifestFile
from hub.storage.blobs import Blobs

MANIFEST_NAME = "META-INF/MANIFEST.MF"
MANIFEST_READ_BYTES = 64 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, EOFError, OSError, ValueError, RuntimeError)


def jar_manifest(file: ManifestFile, blobs: Blobs) -> bytes:
    """The start of a jar's manifest with its folded lines joined; nothing where it has none. Blocks."""
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _BlobReader(file, blobs))) as jar, jar.open(MANIFEST_NAME) as manifest:
            return manifest.read(MANIFEST_READ_BYTES).replace(b"\r\n ", b"").replace(b"\n ", b"")
    except _BROKEN:
        return b""


class _BlobReader(io.RawIOBase):
    """A blob as a file that can be read anywhere."""

    def __init__(self, file: ManifestFile, blobs: Blobs) -> None:
        super().__init__()
        self._file = file
        self._blobs = blobs
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}
        self._position = max(0, starts[whence] + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._position)
        wanted = left if size < 0 else min(size, left)
        data = b"".join(self._blobs.read(self._file.sha256, self._position, wanted)) if wanted else b""
        self._position += len(data)
        return data
