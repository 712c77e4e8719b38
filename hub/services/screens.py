"""Who looks at which desktop: the newest picture of each, in memory, while somebody looks (`agent/wire/screens.py`).

    viewer --look--> Screens --show_screen--> the runner          pictures travel only this way, and only as long as
    viewer <--next-- Screens <-----PUT------- the runner          a viewer's `next` renews the lease

A viewer gets the newest picture; one that reads slowly misses some, and nothing is kept for it. A hub knows only the
runners that are linked to it: pictures don't travel between hubs.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent.wire.screens import SCREEN_BEAT_S, ScreenNews, ShowScreen
from hub.errors import Conflict, Unavailable
from hub.services.live import LiveSessions

EVERY_S = 0.5
LEASE_S = 10.0
RENEW_S = 3.0
FIRST_S = 10.0
"""A runner that has shown nothing for so long shows nothing."""
SCREENS_MAX = 32
"""Desktops that are looked at together: each costs one picture of memory, 8 MiB at most."""
VIEWERS_MAX = 8
"""Of one desktop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a desktop; the next one has a higher number."""

    number: int
    png: bytes


@dataclass(slots=True, kw_only=True)
class _Show:
    """One desktop that somebody looks at."""

    look: str = field(default_factory=lambda: secrets.token_hex(16))
    viewers: int = 0
    picture: Picture | None = None
    confirmed_s: float = 0.0
    """When the runner last said that it looks like the picture."""
    renewed_s: float | None = None
    trouble: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        """Wake all who wait, and begin anew."""
        self.changed.set()
        self.changed = asyncio.Event()


class Screens:
    """All desktops that are looked at through this hub. Used on the loop only."""

    def __init__(self, sessions: LiveSessions, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._shows: dict[tuple[str, int], _Show] = {}

    # --- viewers ---

    @contextmanager
    def look(self, runner_id: str, slot: int) -> Iterator["View"]:
        """Look at a desktop while the block runs. Raises Unavailable when too many do."""
        key = (runner_id, slot)
        show = self._shows.get(key)
        if show is None and len(self._shows) >= SCREENS_MAX:
            raise Unavailable("too_many_viewers", f"{SCREENS_MAX} desktops are looked at already. Try again later.")
        if show is not None and show.viewers >= VIEWERS_MAX:
            raise Unavailable("too_many_viewers", f"{VIEWERS_MAX} look at this desktop already. Try again later.")
        show = self._shows.setdefault(key, show or _Show())
        show.viewers += 1
        try:
            yield View(self, key, show)
        finally:
            show.viewers -= 1
            if not show.viewers:
                del self._shows[key]
                self._tell(key, show, lease_s=0.0)

    def renew(self, key: tuple[str, int], show: _Show) -> None:
        """Tell the runner that somebody still looks. Raises Conflict where it is not linked to this hub any more."""
        now = self._clock()
        if show.renewed_s is None or now - show.renewed_s >= RENEW_S:
            show.renewed_s = now
            self._tell(key, show, lease_s=LEASE_S)
        if self._sessions.find(key[0]) is None:
            raise Conflict("runner_away", "The runner is not connected. It shows its desktop when it is back.")

    def is_fresh(self, show: _Show) -> bool:
        """Whether its picture is what the desktop looks like now."""
        return show.picture is not None and self._clock() - show.confirmed_s < SCREEN_BEAT_S * 1.5

    def _tell(self, key: tuple[str, int], show: _Show, *, lease_s: float) -> None:
        session = self._sessions.find(key[0])
        if session is not None:
            session.send(ShowScreen(slot=key[1], look=show.look, every_s=EVERY_S, lease_s=lease_s))

    # --- the runner ---

    def is_wanted(self, runner_id: str, slot: int, look: str) -> bool:
        """Whether somebody still looks: for this, and for nothing else, a runner sends pictures."""
        show = self._shows.get((runner_id, slot))
        return show is not None and secrets.compare_digest(show.look.encode(), look.encode())

    def show(self, runner_id: str, slot: int, look: str, png: bytes) -> None:
        """A picture came; it replaces the one before."""
        if self.is_wanted(runner_id, slot, look):
            show = self._shows[runner_id, slot]
            show.picture = Picture(number=(show.picture.number if show.picture else 0) + 1, png=png)
            show.confirmed_s, show.trouble = self._clock(), ""
            show.ring()

    def note(self, runner_id: str, slot: int, look: str, news: ScreenNews) -> None:
        """It is as it was, or can't be shown."""
        if self.is_wanted(runner_id, slot, look):
            show = self._shows[runner_id, slot]
            if news.state == "trouble":
                show.trouble = news.message or "The runner can't show this desktop."
            else:
                show.confirmed_s, show.trouble = self._clock(), ""
            show.ring()


@dataclass(slots=True)
class View:
    """One viewer's."""

    _screens: Screens
    _key: tuple[str, int]
    _show: _Show

    async def first(self) -> Picture:
        """What it looks like now. Raises Conflict: the runner went away, or says why it has no picture."""
        try:
            async with asyncio.timeout(FIRST_S):
                return await self._fresh()
        except TimeoutError:
            text = "The runner has shown nothing. It may be too old for that: botyard runner show tells its version."
            raise Conflict("no_picture", text) from None

    async def _fresh(self) -> Picture:
        while True:
            self._screens.renew(self._key, self._show)
            if self._show.trouble:
                raise Conflict("no_picture", self._show.trouble)
            if self._show.picture is not None and self._screens.is_fresh(self._show):
                return self._show.picture
            await self._wait(RENEW_S)

    async def next(self, than: Picture, within_s: float) -> Picture | None:
        """A newer one; None where there was none in this time. Raises Conflict as `first`."""
        self._screens.renew(self._key, self._show)
        if self._newer(than) is None:
            await self._wait(min(within_s, RENEW_S))
            self._screens.renew(self._key, self._show)
        if self._show.trouble:
            raise Conflict("no_picture", self._show.trouble)
        return self._newer(than)

    def _newer(self, than: Picture) -> Picture | None:
        picture = self._show.picture
        return picture if picture is not None and picture.number > than.number else None

    async def _wait(self, at_most_s: float) -> None:
        changed = self._show.changed
        try:
            async with asyncio.timeout(at_most_s):
                await changed.wait()
        except TimeoutError:
            pass
