"""The desktops of this runner, as its daemon sees them: which slot has one, what its bots get of it, a look, a picture.

Two kinds: the daemon's *own*, the session that it stands in, and *virtual* ones, X servers that it keeps.

    Desktops --of_slot--> Desktop --environment--> the bot
                             |----look--> DesktopFacts
                             '----grab--> Frame
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.desktops.facts import DesktopFacts


class ScreenUnreachedError(Exception):
    """No picture can be taken now; the text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture of a whole desktop: rows from the top, four bytes a pixel: blue, green, red, nothing."""

    width: int
    height: int
    pixels: bytes


class Desktop(Protocol):
    """One desktop. Calls take a few seconds at most."""

    @property
    def slot(self) -> int:
        """Whose bots get it."""
        ...

    @property
    def is_virtual(self) -> bool:
        """Whether this daemon made it."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What a bot needs to reach it (``DISPLAY``, ``XAUTHORITY``); empty where its session is inherited."""
        ...

    @property
    def is_there(self) -> bool:
        """False while a virtual one is being started, or started again: `environment` is empty then."""
        ...

    @property
    def is_beginning(self) -> bool:
        """Whether nobody knows yet if it will be there: nothing is told of it meanwhile."""
        ...

    async def until_known(self) -> None:
        """Return when it is there, or is known not to be; the caller says how long it waits."""
        ...

    async def look(self) -> DesktopFacts:
        """What it is now; never raises."""
        ...

    async def grab(self) -> Frame:
        """A picture. Raises ScreenUnreachedError."""
        ...


class Desktops(Protocol):
    """All of them."""

    @property
    def shared(self) -> Mapping[str, str]:
        """What a bot that said nothing gets in a slot without a desktop: variables of the session that all share."""
        ...

    def of_slot(self, slot: int) -> Desktop | None:
        """The desktop that the slot's bots get; None: a slot for background bots."""
        ...

    def all(self) -> tuple[Desktop, ...]:
        """By slot."""
        ...

    def hear(self, changed: Callable[[], None]) -> None:
        """Call `changed` from now on whenever a desktop has come or gone, at once; on the event loop."""
        ...

    async def take_over(self) -> None:
        """At start, when living bots are known: adopt what an earlier daemon made."""
        ...

    async def keep(self) -> None:
        """Start what is missing, watch it, start it again; a loop of the daemon's TaskGroup, or nothing to do."""
        ...

    def wake(self) -> None:
        """Some slot has become free: what waited for that may go on."""
        ...

    async def end(self, *, at_once: bool) -> None:
        """The daemon ends: so do those that it made and whose slots have no bot, or all of them `at_once`."""
        ...
