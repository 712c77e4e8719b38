"""What one bot gets: by its need, its slot, and what is there (`agent/desktops/given.py`, `own.py`)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.builds_port import CannotLaunchError
from agent.desktops import given
from agent.desktops.nothing import NoDesktops
from agent.desktops.own import OwnDesktops, session_variables
from agent.desktops.port import Desktop, ScreenUnreachedError
from agent.wire.words import DesktopNeed
from tests.support.pictures import PaintedDesktop

SESSION = {"DISPLAY": ":0", "XAUTHORITY": "/run/me/xauth", "HOME": "/home/me", "PATH": "/bin"}
GIVEN = {"DISPLAY": ":0", "XAUTHORITY": "/run/me/xauth"}


class Gone(NoDesktops):
    """One that has gone."""

    def of_slot(self, slot: int) -> Desktop | None:
        """It was this slot's."""
        return PaintedDesktop(slot=slot, is_there=False)


@pytest.mark.parametrize(
    ("slot", "need", "expected"),
    [
        (0, DesktopNeed.REQUIRED, GIVEN),
        (0, DesktopNeed.ANY, GIVEN),
        (0, DesktopNeed.NONE, {}),
        (1, DesktopNeed.ANY, GIVEN),
        (1, DesktopNeed.NONE, {}),
    ],
)
async def test_a_session_is_slot_0s_and_inherited_by_whom_says_nothing(
    slot: int, need: DesktopNeed, expected: Mapping[str, str]
) -> None:
    assert await given.variables_for(OwnDesktops(SESSION, NoDesktops()), slot, need) == expected


async def test_who_needs_one_is_refused_where_there_is_none() -> None:
    """Void unfit, which is no attempt (D7)."""
    for desktops, slot in ((OwnDesktops(SESSION, NoDesktops()), 1), (NoDesktops(), 0)):
        with pytest.raises(CannotLaunchError, match=f"needs a desktop, and slot {slot} has none"):
            await given.variables_for(desktops, slot, DesktopNeed.REQUIRED)
    assert await given.variables_for(NoDesktops(), 0, DesktopNeed.ANY) == {}


async def test_one_that_is_gone_is_nobodys() -> None:
    """Who says nothing runs without; nothing of another desktop leaks to it."""
    desktops = Gone()
    assert await given.variables_for(desktops, 0, DesktopNeed.ANY) == {}
    with pytest.raises(CannotLaunchError, match="the desktop of slot 0 is gone"):
        await given.variables_for(desktops, 0, DesktopNeed.REQUIRED)


def test_the_sessions_cookie_and_sockets_are_found_from_another_home(tmp_path: Path) -> None:
    """A bot's HOME is its own: what is at a usual place below the session's must be named."""
    plain = {"DISPLAY": ":0", "HOME": str(tmp_path)}
    assert session_variables(plain) == {"DISPLAY": ":0"}
    (tmp_path / ".Xauthority").touch()
    assert session_variables(plain) == {"DISPLAY": ":0", "XAUTHORITY": str(tmp_path / ".Xauthority")}
    wayland = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/run/user/1", "HOME": str(tmp_path)}
    assert session_variables(wayland) == {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/run/user/1"}


async def test_no_picture_says_why() -> None:
    """Never a black one: Xwayland would give that."""
    for session, why in (
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "a Wayland desktop gives its picture"),
        ({"DISPLAY": "what"}, "no address of an X server"),
        ({"DISPLAY": ":9999", "HOME": "/nowhere"}, "no such file"),
    ):
        (desktop,) = OwnDesktops(session, NoDesktops()).all()
        with pytest.raises(ScreenUnreachedError, match=why):
            await desktop.grab()
