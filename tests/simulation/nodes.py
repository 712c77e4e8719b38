"""What lies on a simulated disk: files and folders, each with what it is now and what a power cut leaves of it.

A file's bytes are durable up to its last sync; a name is durable once its folder was synced. What was written since is
kept or lost when power goes, as the seed decides: names one by one, a file's new end up to some byte or as zeros, pages
that were overwritten one by one.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

PAGE_BYTES = 4096


@dataclass(slots=True, eq=False)
class FileNode:
    """A file. `room` is what was allocated ahead; bytes within it take no more of the disk."""

    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    room: int = 0

    @property
    def takes(self) -> int:
        """Bytes of the disk."""
        return max(len(self.data), self.room)

    def sync(self) -> None:
        """What it holds now stays."""
        if len(self.data) != len(self.durable) or self.data != self.durable:
            self.durable = bytes(self.data)

    def lose_power(self, order: random.Random) -> "FileNode":
        """The file as it is found at the next boot."""
        kept = _after_cut(self.durable, bytes(self.data), order)
        return FileNode(data=bytearray(kept), durable=kept, room=self.room)


@dataclass(slots=True, eq=False)
class FolderNode:
    """A folder: names now, and names that a power cut leaves."""

    names: "dict[str, Node]" = field(default_factory=dict)
    durable: "dict[str, Node]" = field(default_factory=dict)

    def sync(self) -> None:
        """The names of now stay."""
        self.durable = dict(self.names)

    def lose_power(self, order: random.Random, known: "dict[Node, Node]") -> "FolderNode":
        """The folder as it is found at the next boot; `known` keeps a file of two names one file."""
        kept: dict[str, Node] = {}
        for name in sorted({*self.names, *self.durable}):
            now, before = self.names.get(name), self.durable.get(name)
            node = now if now is before or order.random() < 0.5 else before
            if node is not None:
                kept[name] = _once(node, order, known)
        return FolderNode(names=kept, durable=dict(kept))


Node = FileNode | FolderNode


def copy_of(node: Node) -> Node:
    """The same bytes and names, all of them durable: a backup, a clone, a restored snapshot."""
    if isinstance(node, FileNode):
        return FileNode(data=bytearray(node.data), durable=bytes(node.data), room=node.room)
    names = {name: copy_of(each) for name, each in node.names.items()}
    return FolderNode(names=names, durable=dict(names))


def bytes_taken(names: Mapping[str, Node]) -> int:
    """How much of the disk all of it takes."""
    return sum(node.takes if isinstance(node, FileNode) else bytes_taken(node.names) for node in names.values())


def _once(node: Node, order: random.Random, known: "dict[Node, Node]") -> Node:
    if node not in known:
        known[node] = node.lose_power(order) if isinstance(node, FileNode) else node.lose_power(order, known)
    return known[node]


def _after_cut(durable: bytes, now: bytes, order: random.Random) -> bytes:
    if now == durable:
        return durable
    if not now.startswith(durable):
        return _mixed(durable, now, order)
    fresh = len(now) - len(durable)
    length = len(durable) + order.randint(0, fresh)
    if order.random() < 0.25:
        # The length reached the disk, the bytes did not (R29).
        return now[: order.randint(len(durable), length)].ljust(length, b"\0")
    return now[:length]


def _mixed(durable: bytes, now: bytes, order: random.Random) -> bytes:
    """Overwritten or cut: each page is the old or the new one."""
    length = len(now) if order.random() < 0.5 else len(durable)
    pages = []
    for start in range(0, length, PAGE_BYTES):
        source = now if order.random() < 0.5 else durable
        page = source[start : start + PAGE_BYTES]
        pages.append(page.ljust(min(PAGE_BYTES, length - start), b"\0"))
    return b"".join(pages)[:length]
