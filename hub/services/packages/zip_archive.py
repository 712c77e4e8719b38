"""Zip packages, read suspiciously: the directory at the end and the header before each entry must tell the same story.

CPython's `zipfile` believes the directory alone and accepts entries that share their bytes (12 KB become 500 MB on
3.11.7), so names, methods, sizes and places are compared here first (S24).
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from hub.domain.unpacking import ArchiveEntry, ArchiveError, EntryType
from hub.storage.blobs.port import READ_BYTES

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MAGIC = b"PK\x03\x04"
_ENCRYPTED = 0x1
_SIZES_FOLLOW = 0x8
_MASKED_HEADERS = 0x2000
_UTF8 = 0x800
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_UNKNOWN_32 = 0xFFFFFFFF


class ZipArchive:
    """A zip file as an `Archive`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = archive.infolist()
                self._directory_at = archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, struct.error) as error:
            raise ArchiveError("bad_archive", f"the package is no readable zip file: {error}") from None

    @property
    def packed_bytes(self) -> int:
        """Length of the upload."""
        return self._path.stat().st_size

    def entries(self) -> list[ArchiveEntry]:
        """All entries, once directory, headers and places agree."""
        with self._path.open("rb") as file:
            spans = [_checked_span(file, member) for member in self._members]
        _check_overlaps(spans, self._directory_at)
        return [_entry(position, member) for position, member in enumerate(self._members)]

    def contents(self, wanted: Container[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Position and bytes of the wanted entries; a wrong checksum raises ArchiveError at the end of one."""
        with zipfile.ZipFile(self._path) as archive:
            for position, member in enumerate(self._members):
                if position in wanted:
                    yield position, _bytes_of(archive, member)


def _entry(position: int, member: zipfile.ZipInfo) -> ArchiveEntry:
    mode = member.external_attr >> 16
    # Old PowerShell separates by backslash; the file system that we may be on must not decide what that means.
    name = member.orig_filename.replace("\\", "/")
    type_ = EntryType.FOLDER if name.endswith("/") else EntryType.FILE
    if stat.S_ISLNK(mode):
        type_ = EntryType.LINK
    elif stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        type_ = EntryType.SPECIAL
    if type_ is EntryType.FOLDER and member.file_size:
        raise ArchiveError("header_mismatch", f"{name[:200]!a} is a folder with content")
    return ArchiveEntry(position=position, name=name, type=type_, size=member.file_size, executable=bool(mode & 0o111))


def _checked_span(file: BinaryIO, member: zipfile.ZipInfo) -> tuple[int, int, str]:
    """First byte and end of an entry's header and data. Raises ArchiveError where the two headers differ."""
    shown = f"{member.orig_filename[:200]!a}"
    if member.flag_bits & (_ENCRYPTED | _MASKED_HEADERS):
        raise ArchiveError("bad_archive", f"{shown} is encrypted; pack it without a password")
    if member.compress_type not in _METHODS:
        raise ArchiveError("bad_archive", f"{shown} is packed by method {member.compress_type}; use deflate")
    if member.header_offset < 0:
        raise ArchiveError("header_mismatch", f"{shown} begins before the package does")
    file.seek(member.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) != _LOCAL.size:
        raise ArchiveError("header_mismatch", f"{shown} has no header where the directory says it is")
    magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(head)
    name = file.read(name_length)
    agree = (
        magic == _LOCAL_MAGIC
        and method == member.compress_type
        and flags & _UTF8 == member.flag_bits & _UTF8
        and name.decode("utf-8" if flags & _UTF8 else "cp437", errors="replace") == member.orig_filename
        and _agrees(flags, (crc, packed, size), (member.CRC, member.compress_size, member.file_size))
    )
    if not agree:
        raise ArchiveError("header_mismatch", f"{shown} is described differently in its header and in the directory")
    start = member.header_offset
    return start, start + _LOCAL.size + name_length + extra_length + member.compress_size, shown


def _agrees(flags: int, local: tuple[int, int, int], directory: tuple[int, int, int]) -> bool:
    """Checksum and sizes of a header against the directory's; 0 where they follow the data, all ones in zip64."""
    follows = bool(flags & _SIZES_FOLLOW)
    return all(
        ours == theirs or (follows and ours == 0) or (place > 0 and ours == _UNKNOWN_32)
        for place, (ours, theirs) in enumerate(zip(local, directory, strict=True))
    )


def _check_overlaps(spans: list[tuple[int, int, str]], directory_at: int) -> None:
    end = 0
    for start, after, shown in sorted(spans):
        if start < end:
            raise ArchiveError("overlapping_entries", f"{shown} shares its bytes with another entry")
        end = after
        if after > directory_at:
            raise ArchiveError("header_mismatch", f"{shown} reaches into the archive's directory")


def _bytes_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as file:
            while piece := file.read(READ_BYTES):
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise ArchiveError("bad_archive", f"{member.orig_filename[:200]!a} can't be unpacked: {error}") from None
