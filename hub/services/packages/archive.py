"""One face for all packages: list what it says it holds, then hand over the bytes of the entries that were chosen."""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Protocol

from hub.domain.unpacking import ArchiveEntry, EntryType
from hub.services.packages.tar_archive import TarArchive
from hub.services.packages.zip_archive import ZipArchive
from hub.storage.blobs.port import READ_BYTES

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_SINGLE_SUFFIXES = (".jar", ".whl", ".pyz", ".exe", ".py", ".sh", ".ps1")
"""Files that are, or may look like, archives, and are run as they are."""


class Archive(Protocol):
    """A package on the hub's disk. Reading raises ArchiveError for whatever is wrong with it."""

    @property
    def packed_bytes(self) -> int:
        """Length of the upload."""
        ...

    def entries(self) -> list[ArchiveEntry]:
        """All entries, in the archive's order, as its headers describe them."""
        ...

    def contents(self, wanted: Container[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Position and bytes of the wanted entries, in the archive's order; each is read before the next."""
        ...


class SingleFile:
    """A package that is one file: a script, a jar, a program. The uploader's name for it decides its own."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name.replace("\\", "/").rpartition("/")[2] or "bot"

    @property
    def packed_bytes(self) -> int:
        """Length of the upload."""
        return self._path.stat().st_size

    def entries(self) -> list[ArchiveEntry]:
        """The one file; executable when it says how it is run, as an upload carries no bits."""
        with self._path.open("rb") as file:
            is_script = file.read(2) == b"#!"
        return [
            ArchiveEntry(position=0, name=self._name, type=EntryType.FILE, size=self.packed_bytes, executable=is_script)
        ]

    def contents(self, wanted: Container[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The one file."""
        if 0 in wanted:
            with self._path.open("rb") as file:
                yield 0, iter(lambda: file.read(READ_BYTES), b"")


def open_archive(path: Path, name: str) -> Archive:
    """The reader for the upload at `path`; `name` is what the uploader called it.

    Raises ArchiveError when it is a zip or tar that can't be read.
    """
    suffix = name.lower()
    with path.open("rb") as file:
        head = file.read(4)
    if suffix.endswith(_SINGLE_SUFFIXES):
        return SingleFile(path, name)
    if suffix.endswith(".zip") or head in _ZIP_MAGIC:
        return ZipArchive(path)
    if suffix.endswith((".tgz", ".tar.gz")):
        return TarArchive(path)
    return SingleFile(path, name)
