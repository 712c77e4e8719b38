"""The file of a backup: a plain tar whose last member says what is in it.

    hub.db, identity.key, …        the files, in the order in which they were read
    botyard-backup.json            the manifest: version, store, position, and size and sha256 of every file

It is written beside its place (0600), synced, and only then gets its name; it has a manifest only when all else is in
it. So a half-written one is never taken for a whole one: it has another name, and `read_manifest` refuses it.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from agent.ports import Disk
from agent.ports.files import AppendFile

MANIFEST = "botyard-backup.json"
FORMAT = 1
_PIECE_BYTES = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_MANIFEST_MAX_BYTES = 1024 * 1024 * 1024


class BadBackup(Exception):  # noqa: N818 - a state of the file, told to a person
    """The file is no whole backup, or not what it was when it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    format: int = FORMAT
    version: str
    """Of the program that wrote it."""
    made_at: str
    """ISO 8601, UTC: before the first file was read."""
    database: str
    """``sqlite`` when it is inside, ``postgresql`` when somebody else keeps it."""
    schema: str
    store_id: str
    position: int
    """The store's commit position."""
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Size in bytes and sha256 of each file, by name."""


class ArchiveWriter:
    """Takes files into a backup, one after another; made by `writing`."""

    def __init__(self, out: "_Out") -> None:
        # It is closed by `end`; tarfile only writes and tells.
        self._tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self.files: dict[str, tuple[int, str]] = {}

    def add(self, name: str, path: Path) -> int:
        """Add a file as it is now, however it grows meanwhile; its size. Raises FileNotFoundError: nothing was added.

        Raises BadBackup where it became shorter while it was read: only a damaged disk does that.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            reader = _Hashing(path, file, size)
            self._tar.addfile(_member(name, size), reader)
        self.files[name] = (size, reader.sha256.hexdigest())
        return size

    def end(self, manifest: Manifest) -> None:
        """Add the manifest: from here on the backup is whole."""
        data = json.dumps(asdict(manifest), indent=1).encode()
        self._tar.addfile(_member(MANIFEST, len(data)), io.BytesIO(data))
        self._tar.close()


@contextmanager
def writing(target: Path, disk: Disk) -> Iterator[ArchiveWriter]:
    """Write a backup to `target`, which is there, durable and whole, once the block has ended well; else it is not.

    Raises FileExistsError for a target that is there: no backup takes another's place.
    """
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f".{target.name}.part")
    file = disk.open_new(draft)
    try:
        yield ArchiveWriter(_Out(file))
        file.sync()
        file.close()
        disk.rename(draft, target)
    except BaseException:
        file.close()
        disk.remove(draft)
        raise
    disk.sync_folder(target.parent)


def verify(path: Path, told: Callable[[int], None] = lambda _: None) -> Manifest:
    """Read all of a backup against its manifest; `told` hears how many bytes were read. Raises BadBackup, OSError."""
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    for name, size, file in _members(path):
        if manifest is not None:
            raise BadBackup(f"{path} goes on behind its end: it is not what was written")
        if name == MANIFEST:
            manifest = _manifest(path, _Hashing(path, file, min(size, _MANIFEST_MAX_BYTES)).read())
            continue
        reader = _Hashing(path, file, size)
        while piece := reader.read(_PIECE_BYTES):
            told(len(piece))
        found[name] = (size, reader.sha256.hexdigest())
    if manifest is None:
        raise BadBackup(f"{path} is no whole backup: its end is missing")
    for name in sorted(found.keys() | manifest.files.keys()):
        if found.get(name) != manifest.files.get(name):
            raise BadBackup(f"{path} is damaged: {name} is not what was written")
    return manifest


def unpack(path: Path, target: Path, disk: Disk, told: Callable[[int], None] = lambda _: None) -> None:
    """Write the files of a verified backup into the folder `target`, 0600 in 0700, each synced. Raises OSError."""
    folders = {target}
    for name, size, file in _members(path):
        if name == MANIFEST:
            continue
        place = target / name
        disk.make_folder(place.parent)
        folders.add(place.parent)
        out = disk.open_new(place)
        try:
            reader = _Hashing(path, file, size)
            while piece := reader.read(_PIECE_BYTES):
                out.write(piece)
                told(len(piece))
            out.sync()
        finally:
            out.close()
    for folder in folders:
        disk.sync_folder(folder)


def _members(path: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    """(name, size, content) of each member; nothing but plain files with plain names is one."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            for member in tar:
                yield member.name, member.size, _content(tar, member, path)
    except (tarfile.TarError, EOFError) as error:
        raise BadBackup(f"{path} is no whole backup: {str(error) or 'it ends too soon'}") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> BinaryIO:
    if not member.isreg() or not _is_safe(member.name):
        raise BadBackup(f"{path} is no backup of a hub: it holds {member.name[:80]!r}")
    return cast("BinaryIO", tar.extractfile(member))


def _is_safe(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not {"..", "."} & set(name.split("/"))


def _manifest(path: Path, data: bytes) -> Manifest:
    try:
        body = json.loads(data)
        said = body.get("format")
        if said == FORMAT:
            files = {str(name): (int(size), str(digest)) for name, (size, digest) in body["files"].items()}
            return Manifest(**{**body, "files": files})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadBackup(f"{path} is damaged: its manifest can't be read ({type(error).__name__})") from None
    raise BadBackup(f"{path} was written by another Botyard (backup format {said!r}): update this program")


class _Out:
    """A durable file as tarfile writes to it."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        """Append all of it."""
        self._file.write(data)
        return len(data)

    def tell(self) -> int:
        """Where the next write goes."""
        return self._file.size


class _Hashing:
    """Exactly `size` bytes of a file, hashed as they pass."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path = path
        self._file = file
        self._left = size
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none behind the last. Raises BadBackup where the file ends before."""
        wanted = self._left if size < 0 else min(size, self._left)
        try:
            piece = self._file.read(wanted)
        except tarfile.TarError:  # the archive ends inside of this file
            piece = b""
        if len(piece) < wanted:
            raise BadBackup(f"{self._path} is not whole: it ends {self._left - len(piece)} bytes too soon")
        self._left -= len(piece)
        self.sha256.update(piece)
        return piece


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member
