"""From an uploaded archive to a manifest: every file becomes a blob, counted and hashed while it is written.

Nothing is unpacked into folders, so there is nothing half done to clean up: until a row names the manifest, the blobs
are unreferenced content (R53).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.wire.builds import FILE_MAX_BYTES, Manifest, ManifestFile, read_manifest
from hub.domain.packages import Package, bytes_needed, package_of
from hub.domain.unpacking import Allowance, ArchiveError, PlannedFile, plan
from hub.services.packages.archive import Archive
from hub.services.packages.jar import jar_manifest
from hub.storage.blobs import Blobs

HEADS_MAX_BYTES = 64 * 1024 * 1024
"""Of all that is read of a package to recognise it, in memory at once."""

_JARS_MAX = 20
"""Jars at the root that are looked into; more are libraries, and the start has to be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A stored package: its manifest (itself stored as the blob `digest`), and what the recogniser looks at."""

    digest: str
    manifest: Manifest
    package: Package


def unpack(archive: Archive, blobs: Blobs) -> Unpacked:
    """Check a package, then store its files and its manifest. Blocks.

    Raises ArchiveError when it breaks a rule of S24; the checks that need no content come before the first write.
    """
    planned = plan(archive.entries(), packed_bytes=archive.packed_bytes)
    _check_heads(planned.files)
    by_position = {file.position: file for file in planned.files}
    allowance = Allowance(packed_bytes=archive.packed_bytes)
    files: list[ManifestFile] = []
    heads: dict[str, bytes] = {}
    for position, chunks in archive.contents(by_position):
        file = by_position[position]
        reading = _Reading(file, allowance)
        blob = blobs.add(reading.through(chunks))
        heads[file.path] = bytes(reading.head)
        files.append(ManifestFile(path=file.path, sha256=blob.sha256, size=blob.size_bytes, executable=file.executable))
    if len(files) != len(by_position):
        raise ArchiveError("bad_archive", f"{len(by_position) - len(files)} files of the package could not be read")
    manifest = Manifest(files=tuple(sorted(files, key=lambda file: file.path)), folders=planned.folders)
    digest = blobs.add([manifest.canonical()]).sha256
    return Unpacked(digest=digest, manifest=manifest, package=_package(manifest, heads, blobs))


def _check_heads(files: Sequence[PlannedFile]) -> None:
    """Refuse a package whose start would fill the hub's memory to be recognised."""
    wanted = sum(min(bytes_needed(file.path), file.size) for file in files)
    if wanted > HEADS_MAX_BYTES:
        raise ArchiveError(
            "too_large",
            f"the files that say how a package is started (lists, locks, *.toml, *.yaml) have {wanted} bytes "
            f"together, {HEADS_MAX_BYTES} are allowed; put data into a folder of its own",
        )


def load(digest: str, blobs: Blobs) -> Unpacked:
    """A package that was stored before. Blocks. Raises BlobGone when a part of it is missing."""
    manifest = read_manifest(b"".join(blobs.read(digest)), digest)
    heads = {
        file.path: b"".join(blobs.read(file.sha256, 0, bytes_needed(file.path)))
        for file in manifest.files
        if bytes_needed(file.path)
    }
    return Unpacked(digest=digest, manifest=manifest, package=_package(manifest, heads, blobs))


def _package(manifest: Manifest, heads: Mapping[str, bytes], blobs: Blobs) -> Package:
    wanted = {path: head for path, head in heads.items() if bytes_needed(path)}
    jars = [file for file in manifest.files if "/" not in file.path and file.path.lower().endswith(".jar")]
    wanted |= {file.path: jar_manifest(file, blobs) for file in jars[:_JARS_MAX]}
    return package_of(manifest, wanted)


class _Reading:
    """Watches one file's bytes go by: counts them against every bound and keeps the start for the recogniser."""

    def __init__(self, file: PlannedFile, allowance: Allowance) -> None:
        self.head = bytearray()
        self._file = file
        self._allowance = allowance
        self._wanted = bytes_needed(file.path)

    def through(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self._allowance.spend(len(chunk))
            if size > self._file.size or size > FILE_MAX_BYTES:
                raise ArchiveError("header_mismatch", f"{self._file.path!a} is longer than its header says")
            if len(self.head) < self._wanted:
                self.head += chunk[: self._wanted - len(self.head)]
            yield chunk
        if size != self._file.size:
            raise ArchiveError("header_mismatch", f"{self._file.path!a} is shorter than its header says")
