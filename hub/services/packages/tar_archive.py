"""Tar packages packed with gzip. A tar has no directory: it is read twice, once for its names and once for its bytes.

`tarfile` reads extended headers into memory whatever length they claim, and seeks as it likes; `_Unpacked` bounds both.
"""

import gzip
import tarfile
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO, cast

from agent.wire.builds import BUILD_MAX_BYTES, ENTRIES_MAX, RATIO_FREE_BYTES, RATIO_MAX
from hub.domain.unpacking import Allowance, ArchiveEntry, ArchiveError, EntryType
from hub.storage.blobs.port import READ_BYTES

_HEADERS_MAX_BYTES = ENTRIES_MAX * 4096
_READ_MAX_BYTES = 1024 * 1024
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, RecursionError)


class TarArchive:
    """A tar.gz file as an `Archive`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def packed_bytes(self) -> int:
        """Length of the upload."""
        return self._path.stat().st_size

    def entries(self) -> list[ArchiveEntry]:
        """All entries, by unpacking once without keeping anything."""
        listed: list[ArchiveEntry] = []
        for position, member, _ in self._members():
            if position >= ENTRIES_MAX:
                raise ArchiveError("too_many_entries", f"the package has more than {ENTRIES_MAX} entries")
            listed.append(_entry(position, member))
        return listed

    def contents(self, wanted: Container[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Position and bytes of the wanted entries, unpacking a second time."""
        for position, member, archive in self._members():
            file = archive.extractfile(member) if position in wanted else None
            if file is not None:
                yield position, _bytes_of(file, member)

    def _members(self) -> Iterator[tuple[int, tarfile.TarInfo, tarfile.TarFile]]:
        try:
            with gzip.open(self._path, "rb") as packed:
                yield from _members_of(_Unpacked(cast("IO[bytes]", packed), self.packed_bytes))
        except ArchiveError:
            raise
        except _BROKEN as error:
            raise ArchiveError("bad_archive", f"the package is no readable tar.gz file: {error}") from None


class _Unpacked:
    """The unpacked stream as `tarfile` wants it: forward only, counted, and without reads of absurd length."""

    def __init__(self, packed: IO[bytes], packed_bytes: int) -> None:
        self._packed = packed
        self._position = 0
        self._allowance = Allowance(packed_bytes=packed_bytes)
        self._most = _HEADERS_MAX_BYTES + min(BUILD_MAX_BYTES, max(RATIO_FREE_BYTES, RATIO_MAX * packed_bytes))
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _READ_MAX_BYTES:
            raise ArchiveError("bad_archive", f"a header of the tar file claims to be {size} bytes long")
        data = self._packed.read(size)
        self._position += len(data)
        if self._position > self._most:
            self._allowance.spend(self._position)
        self._last = data
        return data

    def check_end(self) -> None:
        """Raise ArchiveError unless the archive ended by zeros or by its last byte.

        `tarfile` takes a damaged header for the end, and the files behind it would be missing without a word. The rest
        is read so that gzip compares its checksum.
        """
        if self._last.strip(b"\0"):
            raise ArchiveError("bad_archive", "the tar file is damaged in its middle")
        while self.read(READ_BYTES):
            pass

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._position:
            raise ArchiveError("bad_archive", "the tar file points back into itself")
        while self._position < position and self.read(min(READ_BYTES, position - self._position)):
            pass
        return self._position


def _members_of(unpacked: _Unpacked) -> Iterator[tuple[int, tarfile.TarInfo, tarfile.TarFile]]:
    with tarfile.open(fileobj=cast("IO[bytes]", unpacked), mode="r:") as archive:
        for position, member in enumerate(archive):
            yield position, member, archive
    unpacked.check_end()


def _entry(position: int, member: tarfile.TarInfo) -> ArchiveEntry:
    if member.isdir():
        type_ = EntryType.FOLDER
    elif member.issym() or member.islnk():
        type_ = EntryType.LINK
    elif member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse():
        type_ = EntryType.FILE
    else:
        type_ = EntryType.SPECIAL
    size = member.size if type_ is EntryType.FILE else 0
    return ArchiveEntry(
        position=position, name=member.name, type=type_, size=size, executable=bool(member.mode & 0o111)
    )


def _bytes_of(file: IO[bytes], member: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        while piece := file.read(READ_BYTES):
            yield piece
    except ArchiveError:
        raise
    except _BROKEN as error:
        raise ArchiveError("bad_archive", f"{member.name[:200]!a} can't be unpacked: {error}") from None
