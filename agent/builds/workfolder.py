"""Each execution's own copy of its build: bots write where they stand, and two runs of one build may overlap.

Copies are made ahead, one spare for each prepared build, so that a start costs one rename; a missing spare is a copy
made at the start. Files are cloned where the file system can, else copied; never linked, as a write through a hard link
would change the store, for root even when it is read-only (bot-packages.md §1).

Spares of an earlier daemon are thrown away: nothing says that their last bytes reached the disk.
"""

import contextlib
import errno
import secrets
import shutil
import sys
from pathlib import Path

from agent.ports.files import Disk
from agent.wire.builds import Manifest

SPARE_MAX_BYTES = 256 * 1024 * 1024
"""A larger build is copied when it is started: spares must not fill the disk."""

SPARES_MAX_BYTES = 1024 * 1024 * 1024
"""All spares together."""

_NO_CLONES = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})


class WorkFolders:
    """Makes work folders from the read-only trees. Calls block; one thread at a time fills spares."""

    def __init__(self, root: Path, disk: Disk) -> None:
        """`root` holds the spares, on the file system of the executions' folders."""
        self._root = root
        self._disk = disk
        self._can_clone = sys.platform == "linux"
        self._stocked: dict[str, int] = {}
        """Bytes of each spare."""
        disk.remove_tree(root)
        disk.make_folder(root)

    def stock(self, digest: str, manifest: Manifest, tree: Path) -> bool:
        """Make sure that a spare copy of this build waits; False when it is too large for one."""
        spare = self._root / digest
        if spare.exists():
            return True
        stocked = sum(list(self._stocked.values()))
        if manifest.total_bytes > SPARE_MAX_BYTES or stocked + manifest.total_bytes > SPARES_MAX_BYTES:
            return False
        draft = self._root / f".{digest}.{secrets.token_hex(4)}"
        try:
            self.copy(manifest, tree, draft)
            draft.rename(spare)
        except OSError:
            self._disk.remove_tree(draft)
            raise
        self._stocked[digest] = manifest.total_bytes
        return True

    def take(self, digest: str, manifest: Manifest, tree: Path, target: Path) -> None:
        """Put this build's copy at `target`, which is not there yet. Raises OSError, and then it still is not."""
        try:
            (self._root / digest).rename(target)
            self._stocked.pop(digest, None)
        except FileNotFoundError:
            draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            try:
                self.copy(manifest, tree, draft)
                draft.rename(target)
            except OSError:
                self._disk.remove_tree(draft)
                raise

    def drop_others(self, digests: frozenset[str]) -> None:
        """Throw away spares of builds that nobody wants any more, and half-made ones."""
        for spare in self._root.iterdir():
            if spare.name not in digests:
                self._disk.remove_tree(spare)
                self._stocked.pop(spare.name, None)

    def copy(self, manifest: Manifest, tree: Path, target: Path) -> None:
        """Copy a build to the new folder `target`, writable for its owner alone, with its executable bits."""
        target.mkdir(mode=0o700)
        made = {target}
        for path in (*manifest.folders, *(file.path.rpartition("/")[0] for file in manifest.files)):
            folder = target / path
            if folder not in made:
                folder.mkdir(parents=True, exist_ok=True)
                made.add(folder)
        for file in manifest.files:
            copied = target / file.path
            if not (self._can_clone and self._clone(tree / file.path, copied)):
                shutil.copyfile(tree / file.path, copied)
            copied.chmod(0o700 if file.executable else 0o600)

    def _clone(self, source: Path, target: Path) -> bool:
        try:
            _clone(source, target)
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                target.unlink()
            if error.errno in _NO_CLONES:
                self._can_clone = False
                return False
            raise
        return True


if sys.platform == "linux":
    import fcntl

    _FICLONE = 0x40049409  # linux/fs.h

    def _clone(source: Path, target: Path) -> None:
        with source.open("rb") as original, target.open("xb") as copy:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())

else:

    def _clone(source: Path, target: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "no clones here", str(target), None, str(source))
