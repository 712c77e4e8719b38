"""A disk in memory behind `agent.ports.files.Disk`: it keeps what was synced when its machine loses power.

Each operation is made of the steps that the system's calls have, and before each step its process may die, its machine
lose power, or the disk fail (`plan`): so crashes fall between a draft's sync and its link, and a link and its folder's
sync. A dead process is refused (`Killed`).
"""

import errno
import os
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.nodes import FileNode, FolderNode, Node, bytes_taken, copy_of
from tests.simulation.process import check_alive

BeforeStep = Callable[[str, Path], None]
"""Called before each step with its kind (`write`, `sync`, `name`, `read`) and path; may kill, or raise OSError."""


@dataclass(slots=True, eq=False)
class SimAppendFile:
    """See `agent.ports.files.AppendFile`."""

    _disk: "SimDisk"
    _path: Path
    _node: FileNode

    @property
    def size(self) -> int:
        """See the port."""
        return len(self._node.data)

    def write(self, data: bytes) -> None:
        """See the port."""
        self._disk.step("write", self._path)
        self._disk.put(self._node, len(self._node.data), data, self._path)

    def sync(self) -> None:
        """See the port."""
        self._disk.step("sync", self._path)
        self._node.sync()

    def truncate(self, size: int) -> None:
        """See the port."""
        self._disk.step("write", self._path)
        del self._node.data[size:]

    def close(self) -> None:
        """See the port."""


@dataclass(slots=True, eq=False)
class SimReadFile:
    """See `agent.ports.files.ReadFile`."""

    _disk: "SimDisk"
    _path: Path
    _node: FileNode

    @property
    def size(self) -> int:
        """See the port."""
        return len(self._node.data)

    def read_at(self, position: int, size: int) -> bytes:
        """See the port."""
        self._disk.step("read", self._path)
        return bytes(self._node.data[position : position + size])

    def close(self) -> None:
        """See the port."""


class SimDisk:
    """See the module. One for each machine; it outlives its crashes."""

    def __init__(self, order: random.Random) -> None:
        self._order = order
        self._root = FolderNode()
        self.before_step: BeforeStep | None = None
        self.is_full = False
        """Whether whatever needs room fails with ENOSPC."""
        self.steps = 0

    # --- the world's side ---

    def lose_power(self) -> None:
        """Keep what was synced, and of the rest what the seed decides."""
        self._root = self._root.lose_power(self._order, {})

    def snapshot(self, path: Path) -> Node:
        """A copy of a folder as it is now, for `put_back` on this or another machine."""
        return copy_of(self._folder(path))

    def put_back(self, path: Path, copy: Node) -> None:
        """Replace a folder by a copy, all of it durable: somebody restored or cloned it."""
        parent = self._folder(path.parent)
        parent.names[path.name] = copy_of(copy)
        parent.sync()

    def wipe(self, path: Path) -> None:
        """Remove a folder for good."""
        parent = self._folder(path.parent)
        parent.names.pop(path.name, None)
        parent.sync()

    def find(self, path: Path) -> Node | None:
        """What lies at a path, without a step."""
        node: Node = self._root
        for part in path.parts[1:]:
            if not isinstance(node, FolderNode):
                return None
            found = node.names.get(part)
            if found is None:
                return None
            node = found
        return node

    def taken(self) -> int:
        """Bytes in use."""
        return bytes_taken(self._root.names)

    # --- `agent.ports.files.Disk` ---

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """See the port."""
        check_alive()
        node = self._root
        for number, part in enumerate(path.parts[1:], 2):
            child = node.names.get(part)
            if child is None:
                where = Path(*path.parts[:number])
                self.step("name", where)
                self._need_room(where)
                child = node.names[part] = FolderNode()
                self.step("sync", where.parent)
                node.sync()
            if not isinstance(child, FolderNode):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            node = child

    def write_durable(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """See the port."""
        draft, node = self._draft(path, data)
        self.step("name", path)
        folder = self._folder(path.parent)
        del folder.names[draft]
        folder.names[path.name] = node
        self.sync_folder(path.parent)

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """See the port."""
        draft, node = self._draft(path, data)
        folder = self._folder(path.parent)
        self.step("name", path)
        folder.names.setdefault(path.name, node)
        self.step("name", path)
        folder.names.pop(draft, None)
        self.sync_folder(path.parent)
        self.step("read", path)
        return bytes(self._file(path).data)

    def sync_folder(self, path: Path) -> None:
        """See the port."""
        self.step("sync", path)
        self._folder(path).sync()

    def read(self, path: Path) -> bytes | None:
        """See the port."""
        self.step("read", path)
        node = self.find(path)
        if isinstance(node, FolderNode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return None if node is None else bytes(node.data)

    def open_append(self, path: Path) -> SimAppendFile:
        """See the port."""
        is_new = self.find(path) is None
        file = self._open(path)
        if is_new:
            self.sync_folder(path.parent)
        return file

    def remove_tree(self, path: Path) -> None:
        """See the port; entry by entry, so that a crash leaves a part."""
        check_alive()
        node = self.find(path)
        if isinstance(node, FolderNode):
            for name in sorted(node.names):
                self.remove_tree(path / name)
        if node is not None:
            self.step("name", path)
            self._folder(path.parent).names.pop(path.name, None)

    def exists(self, path: Path) -> bool:
        """See the port."""
        check_alive()
        return self.find(path) is not None

    def names(self, path: Path) -> list[str]:
        """See the port; in an order of the seed, as a directory's is nobody's."""
        self.step("read", path)
        node = self.find(path)
        found = sorted(node.names) if isinstance(node, FolderNode) else []
        self._order.shuffle(found)
        return found

    def make_new_folder(self, path: Path) -> None:
        """See the port."""
        self.step("name", path)
        self._need_room(path)
        folder = self._folder(path.parent)
        if path.name in folder.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        folder.names[path.name] = FolderNode()

    def open_new(self, path: Path) -> SimAppendFile:
        """See the port."""
        file = self._open(path)
        if file.size:
            file.truncate(0)
        return file

    def open_regular(self, path: Path) -> SimReadFile:
        """See the port."""
        self.step("read", path)
        return SimReadFile(self, path, self._file(path))

    def append(self, path: Path, data: bytes) -> None:
        """See the port."""
        self._open(path).write(data)

    def reserve(self, path: Path, size: int) -> None:
        """See the port."""
        file = self._open(path)
        self._need_room(path)
        file._node.room = size
        file._node.data[:] = bytes(size)

    def free_bytes(self, path: Path) -> int:
        """See the port."""
        return 0 if self.is_full else 2**40

    def total_bytes(self, path: Path) -> int:
        """See the port."""
        return 2**41

    def rewrite(self, path: Path, data: bytes) -> None:
        """See the port."""
        node = self._file(path)
        self.step("write", path)
        self.put(node, 0, data, path)
        self.step("sync", path)
        node.sync()

    def rename(self, path: Path, to: Path) -> None:
        """See the port."""
        self.step("name", to)
        node = self._file(path)
        del self._folder(path.parent).names[path.name]
        self._folder(to.parent).names[to.name] = node

    def remove(self, path: Path) -> None:
        """See the port."""
        self.step("name", path)
        parent = self.find(path.parent)
        if isinstance(parent, FolderNode):
            parent.names.pop(path.name, None)

    # --- inside ---

    def step(self, kind: str, path: Path) -> None:
        """One call to the system. Raises Killed, OSError."""
        check_alive()
        self.steps += 1
        if self.before_step is not None:
            self.before_step(kind, path)
            check_alive()

    def put(self, node: FileNode, at: int, data: bytes, path: Path) -> None:
        """Write bytes; on a full disk a part of what needs room may be written before the error."""
        room = node.takes - at
        fits = data if not self.is_full else data[: max(0, room)]
        node.data[at : at + len(fits)] = fits
        if len(fits) < len(data):
            if self._order.random() < 0.5:
                node.data += data[len(fits) : self._order.randint(len(fits), len(data) - 1)]
            self._need_room(path)

    def _need_room(self, path: Path) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def _draft(self, path: Path, data: bytes) -> tuple[str, FileNode]:
        """A finished, synced file under a name that nobody else uses."""
        name = f".{path.name}.{secrets.token_hex(8)}.tmp"
        file = self._open(path.with_name(name))
        try:
            file.write(data)
            file.sync()
        except OSError:
            self._folder(path.parent).names.pop(name, None)
            raise
        return name, file._node

    def _open(self, path: Path) -> SimAppendFile:
        node = self.find(path)
        if node is None:
            self.step("name", path)
            self._need_room(path)
            node = self._folder(path.parent).names.setdefault(path.name, FileNode())
        if not isinstance(node, FileNode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        check_alive()
        return SimAppendFile(self, path, node)

    def _folder(self, path: Path) -> FolderNode:
        node = self.find(path)
        if not isinstance(node, FolderNode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return node

    def _file(self, path: Path) -> FileNode:
        node = self.find(path)
        if not isinstance(node, FileNode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return node
