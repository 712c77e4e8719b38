"""An X server's first answer, and cookies (X11R7, "Connection Setup"; Xau)."""

import asyncio
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.desktops import linux, look_at_desktop
from agent.desktops.x11 import Display, XScreen, XUnreached, ask, find_cookie, parse_display, read_setup, setup_request
from tests.support.waiting import eventually

COOKIE = bytes(range(16))
Answer = Callable[[bytes], bytes]


def entry(family: int, address: bytes, number: bytes, cookie: bytes, name: bytes = b"MIT-MAGIC-COOKIE-1") -> bytes:
    """One entry of an authority file."""
    parts = (address, number, name, cookie)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


def success(width: int = 1280, height: int = 720, screens: int = 1) -> bytes:
    """What a server answers that lets a client in: vendor of 5 bytes, two pixmap formats, one screen."""
    screen = struct.pack("<IIIIIHHHHHHIBBBB", 1, 2, 0, 0, 0, width, height, 338, 190, 1, 1, 3, 0, 0, 24, 0)
    fixed = struct.pack("<IIIIHHBBBBBBBBI", 1, 0, 0, 256, 5, 65535, screens, 2, 0, 0, 32, 32, 8, 255, 0)
    body = fixed + b"Xtest\0\0\0" + bytes(16) + screen
    return struct.pack("<BBHHH", 1, 0, 11, 0, len(body) // 4) + body


def refusal(text: bytes) -> bytes:
    """What it answers otherwise."""
    padded = text + bytes(-len(text) % 4)
    return struct.pack("<BBHHH", 0, len(text), 11, 0, len(padded) // 4) + padded


@asynccontextmanager
async def server(folder: Path, answer: Answer, number: int = 7) -> AsyncIterator[Display]:
    """A server that answers the first request so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(12)
        name, data = struct.unpack_from("<HH", head, 6)
        rest = await reader.readexactly(name + -name % 4 + data + -data % 4)
        writer.write(answer(rest[name + -name % 4 :][:data]))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_unix_server(serve, str(folder / f"X{number}"))
    async with listening:
        yield Display(host="", number=number)


async def test_a_server_tells_its_size_to_whom_has_its_cookie(tmp_path: Path) -> None:
    def answer(cookie: bytes) -> bytes:
        return success() if cookie == COOKIE else refusal(b"No protocol specified\n")

    async with server(tmp_path, answer) as display:
        assert await ask(display, COOKIE, tmp_path) == XScreen(width=1280, height=720, depth=24, root=1, dpi=96)
        with pytest.raises(XUnreached, match=r"does not let us in \(No protocol specified\)"):
            await ask(display, b"", tmp_path)


@pytest.mark.parametrize(
    ("said", "why"),
    [(b"", "hangs up"), (b"HTTP/1.1", "hangs up"), (success(screens=0), "no screen"), (success()[:60], "hangs up")],
)
async def test_what_is_no_server_is_told(tmp_path: Path, said: bytes, why: str) -> None:
    async with server(tmp_path, lambda _: said) as display:
        with pytest.raises(XUnreached, match=why):
            await ask(display, b"", tmp_path)


async def test_a_display_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(XUnreached, match="no such file"):
        await ask(Display(host="", number=9), b"", tmp_path)
    facts = await look_at_desktop({"DISPLAY": ":60321"})
    assert (facts.kind, facts.name, bool(facts.problem), facts.width) == ("x11", ":60321", True, None)
    facts = await look_at_desktop({"DISPLAY": "nonsense"})
    assert "no address of an X server" in facts.problem
    assert (await look_at_desktop({})).kind == "none"


async def test_wayland_is_known_by_its_socket(tmp_path: Path) -> None:
    environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert (await look_at_desktop(environment)).problem == "there is no such socket"

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "wayland-0")):
        facts = await look_at_desktop(environment)
    assert (facts.kind, facts.problem, facts.width, bool(facts.no_size)) == ("wayland", "", None, True)


def test_the_cookie_is_that_of_the_display_and_the_host() -> None:
    mine = Display(host="", number=3)
    data = b"".join(
        [
            entry(256, b"other", b"3", b"o" * 16),
            entry(256, b"here", b"4", b"4" * 16),
            entry(256, b"here", b"3", b"x" * 16, b"XDM-AUTHORIZATION-1"),
            entry(256, b"here", b"3", COOKIE),
        ]
    )
    assert find_cookie(data, mine, "here") == COOKIE
    assert find_cookie(data[:-4], mine, "here") != COOKIE, "a torn entry"
    assert find_cookie(entry(65535, b"", b"", COOKIE), mine, "here") == COOKIE, "FamilyWild"
    assert find_cookie(b"\0", mine, "here") == b""


def test_displays_are_read_as_people_write_them() -> None:
    assert parse_display(":0") == parse_display("unix:0.0") == Display(host="", number=0)
    assert parse_display("far:10.0") == Display(host="far", number=10)
    for text in ("", "0", ":x", ":0.0.0", "a:b:1"):
        with pytest.raises(XUnreached):
            parse_display(text)


def test_the_request_is_padded() -> None:
    assert setup_request(b"") == b"l\0\x0b\0\0\0\0\0\0\0\0\0"
    assert len(setup_request(COOKIE)) == 12 + 20 + 16


def test_an_answer_of_rubbish_is_no_server() -> None:
    with pytest.raises(XUnreached, match="speaks no X"):
        read_setup(b"\1" + bytes(7), bytes(30))


async def test_a_home_that_hangs_takes_one_thread_for_its_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often its desktop is looked at; whoever asks when it answers again gets an answer."""
    answers, begun = threading.Event(), []

    def hang(*_: object) -> bytes:
        begun.append(1)
        answers.wait()
        return b""

    monkeypatch.setattr(linux, "own_cookie", hang)
    try:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(linux.look_at_desktop({"DISPLAY": ":59999"}, is_virtual=True), 0.05)
        await eventually(lambda: begun)
        assert len(begun) == 1
    finally:
        answers.set()
    facts = await linux.look_at_desktop({"DISPLAY": ":59999"}, is_virtual=True)
    assert (facts.problem != "", len(begun)) == (True, 2)
