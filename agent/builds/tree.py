"""Builds on this machine: `builds/<digest>/{manifest.json, tree/}`, read-only, made of the store's files by hard link.

A tree appears whole or not at all: it is laid out under another name, its folders are synced, then it is renamed (R53).
Bots never see it; they get copies (`workfolder.py`). The executable bit therefore is the copy's: in the tree one
content is one inode, whatever the names in several builds say of it.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from agent.builds.store import FileStore, sha256_of
from agent.ports.files import Disk
from agent.wire.builds import Manifest, ManifestError, read_manifest, wheels_in

_MANIFEST = "manifest.json"
_KNOWN_MOST = 32


class DamagedFileError(Exception):
    """A file of the store is not what its name says; it was removed, and has to be fetched again."""


class Trees:
    """All builds that are laid out in this home."""

    def __init__(self, root: Path, store: FileStore, disk: Disk) -> None:
        self._root = root
        self._store = store
        self._disk = disk
        self._known: dict[str, tuple[bytes, Manifest]] = {}

    def path(self, digest: str) -> Path:
        """The read-only tree of a build."""
        return self._root / digest / "tree"

    def manifest(self, digest: str) -> Manifest | None:
        """The manifest of a build that is laid out here and whose files have their lengths; None otherwise (R55)."""
        data = self._disk.read(self._root / digest / _MANIFEST)
        if data is None:
            return None
        manifest = self._parsed(digest, data)
        if manifest is None:
            return None
        tree = self.path(digest)
        try:
            is_whole = all((tree / file.path).stat().st_size == file.size for file in manifest.files)
        except OSError:
            return None
        return manifest if is_whole else None

    def _parsed(self, digest: str, data: bytes) -> Manifest | None:
        """The manifest in `data`; the one of the last look where it says the same."""
        before, known = self._known.get(digest, (b"", None))
        if known is not None and before == data:
            return known
        try:
            manifest = read_manifest(data, digest)
        except ManifestError:
            return None
        if len(self._known) >= _KNOWN_MOST:
            self._known.clear()
        self._known[digest] = (data, manifest)
        return manifest

    def mark_used(self, digest: str) -> None:
        """A bot is started from it; cleaning begins with what was used longest ago."""
        with contextlib.suppress(OSError):
            os.utime(self._root / digest / _MANIFEST)

    def wheels(self, digest: str) -> tuple[Path, ...]:
        """Folders of the build's own wheels, which count as an index (bot-packages.md §3, offline)."""
        manifest = self.manifest(digest)
        paths = wheels_in(file.path for file in manifest.files) if manifest is not None else ()
        return tuple(dict.fromkeys((self.path(digest) / path).parent for path in paths))

    def lay_out(self, manifest: Manifest, digest: str) -> None:
        """Make the tree of a build whose files are all in the store. Blocks: each file is read and checked.

        Raises DamagedFileError, OSError.
        """
        final = self._root / digest
        self._disk.make_folder(self._root)
        draft = self._root / f".{digest}.{secrets.token_hex(4)}.tmp"
        try:
            self._fill(draft, manifest)
            self._disk.remove_tree(final)
            draft.rename(final)
        except BaseException:
            self._disk.remove_tree(draft)
            raise
        self._disk.sync_folder(self._root)

    def sweep(self) -> None:
        """Remove what a crash left half laid out."""
        for draft in self._root.glob(".*.tmp"):
            self._disk.remove_tree(draft)

    def _fill(self, draft: Path, manifest: Manifest) -> None:
        tree = draft / "tree"
        tree.mkdir(parents=True, mode=0o700)
        folders = {tree}
        for path in (*manifest.folders, *(file.path.rpartition("/")[0] for file in manifest.files)):
            folder = tree / path
            folder.mkdir(parents=True, exist_ok=True)
            folders.update(above for above in (folder, *folder.parents) if above.is_relative_to(tree))
        for file in manifest.files:
            source = self._store.path(file.sha256)
            if not source.is_file() or sha256_of(source) != file.sha256:
                self._store.remove(file.sha256)
                raise DamagedFileError(file.path)
            self._link(source, tree / file.path)
        self._disk.write_durable(draft / _MANIFEST, manifest.canonical())
        for folder in sorted(folders, reverse=True):
            self._disk.sync_folder(folder)
            folder.chmod(0o555)
        self._disk.sync_folder(draft)

    def _link(self, source: Path, target: Path) -> None:
        try:
            target.hardlink_to(source)
        except OSError:
            # No hard links here, or too many of one file (`__init__.py` is the same in half of all packages).
            shutil.copyfile(source, target)
            copy = self._disk.open_append(target)
            copy.sync()
            copy.close()
            target.chmod(0o444)
