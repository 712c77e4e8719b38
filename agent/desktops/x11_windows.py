"""What stands on an X desktop: a window in front that is no bot's, one colour from edge to edge, the texts' scale.

Looked at while no bot of ours runs there, so that whatever is in front is nobody's. What counts as in front:

- on a virtual desktop, made by us for bots alone: any window, but panels and the background;
- where nobody manages windows: any window;
- on a person's desktop: dialogs, notifications and what tells the window manager to leave it alone. A program that was
  left open is how such desktops are; a bot brings its own windows to the front.

One colour is judged on a person's desktop that has windows: an empty one is of one colour by nature, and so is every
virtual desktop before its first bot. It is looked for in a few rows, which costs nothing.
"""

import asyncio
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from agent.desktops import x11_requests as x
from agent.desktops.x11 import XScreen, XUnreached

_ATOMS = (
    "_NET_CLIENT_LIST",
    "_NET_WM_WINDOW_TYPE",
    "_NET_WM_STATE",
    "_NET_WM_STATE_MODAL",
    "_NET_WM_NAME",
    *(f"_NET_WM_WINDOW_TYPE_{kind}" for kind in ("DOCK", "DESKTOP", "DIALOG", "NOTIFICATION", "SPLASH")),
)
_WM_NAME, _RESOURCE_MANAGER, _WM_CLASS, _WM_TRANSIENT_FOR = 39, 23, 67, 68
"""Atoms that every server has from its start."""
_LEAST_SIDE = 16
"""Smaller windows are the window managers' own, and nobody's pop-up."""
_WINDOWS_MAX = 512
_DEPTH_MAX = 3
_ROWS = 8
_NAME_MAX = 60
_XFT_DPI = re.compile(r"^Xft\.dpi:[ \t]*(\d{1,9})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class XSeen:
    """What one look found."""

    dpi: int | None
    """Of texts: the session's own setting, else what follows from the screen's size."""
    in_front: str = ""
    """Name of a window that is no bot's; empty where there is none."""
    is_blank: bool = False
    """It has windows, and shows one colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XWindow:
    """One that is shown and large enough to be in the way."""

    name: str
    is_managed: bool
    kinds: frozenset[str] = frozenset()
    is_modal: bool = False
    covers_all: bool = False
    has_class: bool = False


def in_front(windows: Sequence[XWindow], *, is_virtual: bool, has_manager: bool) -> str:
    """The name of the highest of these that counts, see the module; empty where none does."""
    for window in reversed(windows):
        if window.kinds & {"DOCK", "DESKTOP"}:
            continue
        # The window in which a compositor draws the whole screen has no class; a screen lock has.
        is_curtain = window.covers_all and not window.is_managed and not window.has_class
        is_dialog = window.is_modal or bool(window.kinds & {"DIALOG", "NOTIFICATION", "SPLASH"})
        if not is_curtain and (is_virtual or not has_manager or not window.is_managed or is_dialog):
            return window.name or "a window without a name"
    return ""


def is_one_colour(rows: Sequence[bytes]) -> bool:
    """Whether all pixels of four bytes are the same; the last byte of each is nobody's."""
    return bool(rows) and all(len({byte for row in rows for byte in row[part::4]}) == 1 for part in range(3))


class XLook:
    """One look over one connection."""

    def __init__(self, screen: XScreen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._screen, self._reader, self._writer = screen, reader, writer
        self._sent = 0
        self._atoms: dict[str, int] = {}

    async def look(self, *, is_virtual: bool) -> XSeen:
        """See the module. Raises XUnreached where it speaks no X after all."""
        try:
            return await self._look(is_virtual=is_virtual)
        except (struct.error, IndexError):
            raise XUnreached("what answers there speaks no X") from None

    async def _look(self, *, is_virtual: bool) -> XSeen:
        root = self._screen.root
        self._atoms = dict(zip(_ATOMS, map(x.atom_of, await self._ask(*map(x.intern, _ATOMS))), strict=True))
        clients, resources, tree = await self._ask(
            x.get_property(root, self._atoms["_NET_CLIENT_LIST"] or _WM_NAME),
            x.get_property(root, _RESOURCE_MANAGER),
            x.of_window(x.QUERY_TREE, root),
        )
        scale = _XFT_DPI.search(x.text_of(resources))
        managed = x.numbers_of(clients)[:_WINDOWS_MAX]
        windows = await self._windows(x.tree_of(tree)[1][-_WINDOWS_MAX:], managed)
        return XSeen(
            dpi=int(scale[1]) if scale else self._screen.dpi,
            in_front=in_front(windows, is_virtual=is_virtual, has_manager=bool(self._atoms["_NET_CLIENT_LIST"])),
            is_blank=bool(windows) and not is_virtual and await self._is_blank(),
        )

    async def _ask(self, *requests: bytes) -> list[bytes | None]:
        replies = await x.ask_all(self._reader, self._writer, requests, self._sent)
        self._sent += len(requests)
        return replies

    async def _windows(self, tops: Sequence[int], managed: Sequence[int]) -> list[XWindow]:
        """Those shown, the highest last: what nobody manages, and of what is managed the program's own window."""
        client_of = await self._frames(managed)
        seen = await self._ask(
            *(x.of_window(opcode, top) for top in tops for opcode in (x.GET_ATTRIBUTES, x.GET_GEOMETRY))
        )
        found = []
        for top, attributes, geometry in zip(tops, seen[::2], seen[1::2], strict=True):
            box = x.box_of(geometry)
            if box is not None and x.is_shown(attributes) and self._is_in_the_way(box):
                covers_all = box.width >= self._screen.width and box.height >= self._screen.height
                found.append((client_of.get(top, top), top in client_of, covers_all))
        return [await self._window(window, is_managed=one, covers_all=other) for window, one, other in found]

    async def _frames(self, managed: Sequence[int]) -> dict[int, int]:
        """The window below the root that holds each managed one: what its manager drew around it, or itself."""
        client_of: dict[int, int] = {}
        open_ = {window: window for window in managed}
        for _ in range(_DEPTH_MAX):
            trees = await self._ask(*(x.of_window(x.QUERY_TREE, top) for top in open_))
            parents = {
                top: (client, x.tree_of(tree)[0]) for (top, client), tree in zip(open_.items(), trees, strict=True)
            }
            client_of |= {top: client for top, (client, parent) in parents.items() if parent == self._screen.root}
            open_ = {parent: client for client, parent in parents.values() if parent not in {0, self._screen.root}}
        return client_of

    def _is_in_the_way(self, box: x.Box) -> bool:
        is_large = box.width >= _LEAST_SIDE and box.height >= _LEAST_SIDE
        is_left_or_above = box.x + box.width <= 0 or box.y + box.height <= 0
        return is_large and not is_left_or_above and box.x < self._screen.width and box.y < self._screen.height

    async def _window(self, window: int, *, is_managed: bool, covers_all: bool) -> XWindow:
        atoms = self._atoms
        asked = ("_NET_WM_NAME", "_NET_WM_WINDOW_TYPE", "_NET_WM_STATE")
        new_name, types, states, name, cls, transient = await self._ask(
            *(x.get_property(window, atoms[one] or _WM_NAME) for one in asked),
            *(x.get_property(window, one) for one in (_WM_NAME, _WM_CLASS, _WM_TRANSIENT_FOR)),
        )
        kinds = {atoms[name]: name.removeprefix("_NET_WM_WINDOW_TYPE_") for name in _ATOMS if "TYPE_" in name}
        is_modal = atoms["_NET_WM_STATE_MODAL"] in (set(x.numbers_of(states)) - {0})
        return XWindow(
            name=(x.text_of(new_name) or x.text_of(name))[:_NAME_MAX],
            is_managed=is_managed,
            kinds=frozenset(kinds[one] for one in x.numbers_of(types) if one and one in kinds),
            is_modal=is_modal or bool(x.numbers_of(transient)),
            covers_all=covers_all,
            has_class=bool(x.text_of(cls)),
        )

    async def _is_blank(self) -> bool:
        screen = self._screen
        places = [screen.height * (2 * row + 1) // (2 * _ROWS) for row in range(_ROWS)]
        rows = await self._ask(*(x.get_row(screen.root, y, screen.width) for y in places))
        pixels = [row[32 : 32 + 4 * screen.width] for row in rows if row is not None]
        return screen.depth in {24, 32} and len(pixels) == _ROWS and is_one_colour(pixels)
