"""The desktop of the robot's session: asked through a stream, from whoever looks inside."""

import threading
from typing import BinaryIO

import pytest

from agent.broker.desktop import SessionDesktop, SessionDesktops
from agent.broker.eye import serve
from agent.broker.sessions import Connection, Session
from agent.desktops.facts import DesktopFacts
from agent.desktops.nothing import NoDesktops
from agent.desktops.own import OwnDesktop
from agent.desktops.port import Frame, ScreenUnreachedError
from agent.shim.meeting import Meeting, Stream, come

SEEN = DesktopFacts(kind="windows", name="session 2", width=1920, height=1080, dpi=96, is_locked=False)
PICTURE = Frame(width=2, height=1, pixels=b"\x00\x01\x02\x03\x04\x05\x06\n")


class Inside(OwnDesktop):
    """What the process in the session sees."""

    def __init__(self) -> None:
        super().__init__({})
        self.is_locked = False

    async def look(self) -> DesktopFacts:
        return SEEN

    async def grab(self) -> Frame:
        if self.is_locked:
            raise ScreenUnreachedError("it is locked")
        return PICTURE


class Eye:
    """A thread in place of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, inside: Inside) -> None:
        meeting = Meeting()
        for name, value in meeting.variables.items():
            monkeypatch.setenv(name, value)
        self._there: list[Stream] = []

        def live() -> None:
            met = come()
            assert met is not None
            self._there.append(met)
            serve(met.file, inside)
            met.close()

        self._thread = threading.Thread(target=live)
        self._thread.start()
        self._stream = meeting.wait(10, self._thread.is_alive)

    @property
    def to(self) -> BinaryIO:
        return self._stream.file

    def close(self) -> None:
        self._stream.close()
        self._thread.join()


async def test_a_look_and_a_picture_come_from_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, here, made = Inside(), Session(number=2, user="robot", domain="", connection=Connection.ACTIVE), []

    def start(number: int) -> Eye:
        made.append(number)
        return Eye(monkeypatch, inside)

    desktop = SessionDesktop("robot", lambda: here, start)
    try:
        assert await desktop.look() == SEEN
        assert await desktop.grab() == PICTURE
        inside.is_locked = True
        with pytest.raises(ScreenUnreachedError, match="it is locked"):
            await desktop.grab()
        assert await desktop.look() == SEEN
    finally:
        desktop.close()
    assert made == [2]


async def test_an_eye_of_another_session_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[Session | None] = [Session(number=2, user="robot", domain="", connection=Connection.ACTIVE)]
    made: list[int] = []

    def start(number: int) -> Eye:
        made.append(number)
        return Eye(monkeypatch, Inside())

    desktop = SessionDesktop("robot", lambda: now[0], start)
    try:
        await desktop.look()
        now[0] = None
        nobody = await desktop.look()
        with pytest.raises(ScreenUnreachedError, match="nobody is logged on"):
            await desktop.grab()
        now[0] = Session(number=4, user="robot", domain="", connection=Connection.ACTIVE)
        await desktop.look()
    finally:
        desktop.close()
    assert made == [2, 4]
    assert nobody.is_disconnected


async def test_what_fails_is_told_and_tried_anew() -> None:
    def start(number: int) -> Eye:
        raise PermissionError("only a service may")

    here = Session(number=2, user="robot", domain="", connection=Connection.ACTIVE)
    desktops = SessionDesktops(desktop := SessionDesktop("robot", lambda: here, start))

    assert "only a service may" in (await desktop.look()).problem
    with pytest.raises(ScreenUnreachedError, match="only a service may"):
        await desktop.grab()
    assert (desktops.of_slot(0), desktops.of_slot(1)) == (desktop, None)
    assert isinstance(desktops, NoDesktops)
