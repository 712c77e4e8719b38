"""What makes a machine unfit: each fault with how it is injected, how it is mended, and what must name it."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from agent.wire.condition import FaultCode
from tests.support.fake_logind import FakeLogind
from tests.support.x_screen import SIZE, Curtain, Screen

_LEFT_BYTES = 4 << 20
"""Less than a tenth of the small disk, which is kept free."""
Act = Callable[[], Awaitable[object]]


@dataclass(slots=True, kw_only=True)
class Ground:
    """What can be spoilt."""

    screen: Screen
    logind: FakeLogind
    home_disk: Path | None
    """A small disk of its own, with the runner's home; None where this user may not mount one."""
    spoilt: Path
    """Where the daemon's clock and memory are read (`tests/support/fit_daemon.py`)."""
    programs: Path
    """A folder with the programs ``sap`` and ``browser``."""
    curtain: Curtain = field(default_factory=Curtain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One fault."""

    name: str
    code: FaultCode
    inject: Act
    mend: Act
    wants: str = "desk"
    """The automation that may not start meanwhile."""
    is_guarded: bool = False
    """Whether a task that is asked for in the very moment must not start either: the gate looks at the desktop."""


def faults(ground: Ground) -> list[Injected]:
    """All that this machine can have, in an order in which neighbours may be had at once."""
    of_machine = [*_of_readings(ground), *_of_programs(ground)]
    if ground.home_disk is not None:
        of_machine.append(_low_disk(ground.home_disk))
    of_desktop = [*_of_session(ground.logind), *_of_measures(ground.screen), *_of_view(ground)]
    return [one for pair in zip_longest(of_desktop, of_machine) for one in pair if one is not None]


def _of_session(logind: FakeLogind) -> Iterator[Injected]:
    async def say(**properties: bool | str) -> None:
        logind.properties |= properties

    yield Injected(
        name="locked",
        code=FaultCode.LOCKED,
        inject=lambda: say(LockedHint=True),
        mend=lambda: say(LockedHint=False),
        is_guarded=True,
    )
    yield Injected(
        name="disconnected",
        code=FaultCode.DISCONNECTED,
        inject=lambda: say(State="online", Active=False),
        mend=lambda: say(State="active", Active=True),
        is_guarded=True,
    )


def _of_measures(screen: Screen) -> Iterator[Injected]:
    async def scale(dpi: int | None) -> None:
        change = ["-remove", "RESOURCE_MANAGER"]
        if dpi is not None:
            change = ["-f", "RESOURCE_MANAGER", "8s", "-set", "RESOURCE_MANAGER", f"Xft.dpi:\t{dpi}"]
        await screen.run("xprop", "-root", *change)

    yield Injected(
        name="wrong size",
        code=FaultCode.WRONG_SIZE,
        inject=lambda: screen.run("xrandr", "-s", "800x600"),
        mend=lambda: screen.run("xrandr", "-s", "x".join(map(str, SIZE))),
        is_guarded=True,
    )
    yield Injected(
        name="wrong DPI",
        code=FaultCode.WRONG_DPI,
        inject=lambda: scale(144),
        mend=lambda: scale(None),
        is_guarded=True,
    )


def _of_view(ground: Ground) -> Iterator[Injected]:
    screen = ground.screen

    async def pop_up() -> None:
        screen.open_client("xmessage", "an update is ready")

    async def close() -> None:
        screen.close_clients()

    async def drop() -> None:
        ground.curtain.drop()

    async def kill() -> None:
        screen.kill()

    yield Injected(name="pop-up", code=FaultCode.POPUP, inject=pop_up, mend=close)
    yield Injected(
        name="blank screen",
        code=FaultCode.BLANK,
        inject=lambda: ground.curtain.draw(screen),
        mend=drop,
        is_guarded=True,
    )
    yield Injected(
        name="X server killed",
        code=FaultCode.GONE,
        inject=kill,
        mend=screen.start,
        is_guarded=True,
    )


def _of_readings(ground: Ground) -> Iterator[Injected]:
    async def write(name: str, value: int | None) -> None:
        file = ground.spoilt / name
        if value is None:
            file.unlink()
        else:
            file.write_text(str(value))

    yield Injected(
        name="low memory",
        code=FaultCode.LOW_MEMORY,
        inject=lambda: write("memory", 64 << 20),
        mend=lambda: write("memory", None),
        wants="plain",
    )
    yield Injected(
        name="clock off",
        code=FaultCode.CLOCK_OFF,
        inject=lambda: write("clock", 86400),
        mend=lambda: write("clock", None),
        wants="plain",
    )


def _of_programs(ground: Ground) -> Iterator[Injected]:
    async def move(name: str, *, away: bool) -> None:
        here, there = ground.programs / name, ground.programs / f"{name}.removed"
        (here if away else there).rename(there if away else here)

    yield Injected(
        name="application removed",
        code=FaultCode.APPLICATION_MISSING,
        inject=lambda: move("sap", away=True),
        mend=lambda: move("sap", away=False),
        wants="sap",
    )
    yield Injected(
        name="browser removed",
        code=FaultCode.NO_BROWSER,
        inject=lambda: move("browser", away=True),
        mend=lambda: move("browser", away=False),
        wants="web",
    )


def _low_disk(disk: Path) -> Injected:
    async def full() -> None:
        taken = shutil.disk_usage(disk).free - _LEFT_BYTES
        await asyncio.to_thread((disk / "filler").write_bytes, bytes(taken))

    async def free() -> None:
        (disk / "filler").unlink()

    return Injected(name="low disk", code=FaultCode.LOW_DISK, inject=full, mend=free, wants="plain")
