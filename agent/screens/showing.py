"""Desktops that somebody looks at: pictures go to the hub while its lease lives, and not a byte otherwise.

    show_screen --> Showing --grab--> the desktop
                       '---PUT---> the hub: a picture that changed, else now and then that it did not

Outside the websocket, so that no picture ever stands before output (`agent/wire/screens.py`). One picture of a desktop
is under way at a time: where the line is slow, fewer are taken.
"""

import asyncio
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from agent.desktops.port import Desktop, Frame, ScreenUnreachedError
from agent.gateway_port import Forward
from agent.ports.clock import Clock
from agent.screens.difference import is_same
from agent.screens.png import encode, halved
from agent.wire.screens import SCREEN_BEAT_S, SCREEN_MAX_BYTES, SCREEN_TEXT_MAX, ScreenNews, ShowScreen, screen_path

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
GRAB_S = 5.0
"""A desktop that gives no picture for so long is told as trouble."""
_PUT_S = 20.0
_AGAIN_S = 2.0
"""After trouble, and after a hub that was not reached."""
_PIXELS_MAX = 4_500_000
"""A larger picture is sent at half its width and height: it travels in time, and nobody's screen shows more."""
_NOBODY_LOOKS = 410


class Linked(Protocol):
    """Where a session's ticket comes from."""

    def forward(self) -> Forward | None:
        """The open session, or None."""
        ...


@dataclass(slots=True)
class _Wish:
    """What the hub asked for last, of one slot."""

    asked: ShowScreen
    until: float


@dataclass(slots=True)
class _Sent:
    """What the hub knows of a desktop."""

    look: str = ""
    frame: Frame | None = None
    trouble: str = ""
    at: float = float("-inf")


class Showing:
    """Used on the loop; `run` is the daemon's."""

    def __init__(self, clock: Clock, of_slot: Callable[[int], Desktop | None], link: Linked) -> None:
        self._clock = clock
        self._of_slot = of_slot
        self._link = link
        self._wishes: dict[int, _Wish] = {}
        self._shown: set[int] = set()
        self._changed = asyncio.Event()

    @property
    def is_anybody_looking(self) -> bool:
        """Whether pictures are taken."""
        return bool(self._shown)

    def show(self, asked: ShowScreen) -> None:
        """Somebody looks, or still looks; or the last one does not any more."""
        known = self._wishes.get(asked.slot)
        if asked.lease_s:
            self._wishes[asked.slot] = _Wish(asked, self._clock.monotonic() + asked.lease_s)
            self._changed.set()
        elif known is not None and known.asked.look == asked.look:
            del self._wishes[asked.slot]

    async def run(self) -> None:
        """Show what is wanted, for ever."""
        while True:
            await self._changed.wait()
            # The first time that takes a while.
            await asyncio.to_thread(import_module, "aiohttp")
            # One HTTP client while somebody looks, none otherwise.
            async with _client() as http, asyncio.TaskGroup() as group:
                self._begin(group, http)
                while self._shown:
                    self._changed.clear()
                    await self._changed.wait()
                    self._begin(group, http)

    def _begin(self, group: asyncio.TaskGroup, http: "aiohttp.ClientSession") -> None:
        self._changed.clear()
        for slot in self._wishes.keys() - self._shown:
            self._shown.add(slot)
            group.create_task(self._keep_showing(slot, http), name=f"screen {slot}")

    async def _keep_showing(self, slot: int, http: "aiohttp.ClientSession") -> None:
        sent = _Sent()
        try:
            while (wish := self._live(slot)) is not None:
                began = self._clock.monotonic()
                pause_s = await self._show_once(wish, sent, http)
                await asyncio.sleep(max(0.0, pause_s - (self._clock.monotonic() - began)))
        finally:
            self._shown.discard(slot)
            self._changed.set()

    def _live(self, slot: int) -> _Wish | None:
        wish = self._wishes.get(slot)
        if wish is not None and wish.until <= self._clock.monotonic():
            del self._wishes[slot]
            return None
        return wish

    async def _show_once(self, wish: _Wish, sent: _Sent, http: "aiohttp.ClientSession") -> float:
        """One look at the desktop, and what follows; seconds until the next one."""
        import aiohttp

        if sent.look != wish.asked.look:
            sent.look, sent.frame, sent.trouble, sent.at = wish.asked.look, None, "", float("-inf")
        frame, trouble = await self._grab(wish.asked.slot)
        now = self._clock.monotonic()
        is_known = await asyncio.to_thread(is_same, sent.frame, frame) if frame else trouble == sent.trouble
        if is_known and now - sent.at < SCREEN_BEAT_S:
            return wish.asked.every_s
        body = await asyncio.to_thread(_picture, frame) if frame and not is_known else _news(trouble)
        try:
            is_wanted = await self._put(wish.asked, body, http)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            log.info("a picture of slot %d was not sent: %s", wish.asked.slot, str(error) or type(error).__name__)
            return _AGAIN_S
        if not is_wanted and self._wishes.get(wish.asked.slot) is wish:
            del self._wishes[wish.asked.slot]
        sent.frame, sent.trouble, sent.at = frame, trouble, now
        return _AGAIN_S if trouble else wish.asked.every_s

    async def _grab(self, slot: int) -> tuple[Frame | None, str]:
        """A picture, or why there is none."""
        desktop = self._of_slot(slot)
        if desktop is None:
            return None, f"There is no desktop in slot {slot}: its bots run in the background."
        try:
            async with asyncio.timeout(GRAB_S):
                return await desktop.grab(), ""
        except ScreenUnreachedError as error:
            return None, str(error)[:SCREEN_TEXT_MAX] or "No picture can be taken."
        except TimeoutError:
            return None, f"The desktop of slot {slot} gave no picture within {GRAB_S:.0f} s."
        except Exception:
            # The rim: whatever a desktop does, it costs a picture, and not the daemon.
            log.exception("no picture of slot %d", slot)
            return None, "No picture can be taken; the runner's log says why."

    async def _put(self, asked: ShowScreen, body: bytes | ScreenNews, http: "aiohttp.ClientSession") -> bool:
        """Bring it; False where nobody looks any more."""
        way = self._link.forward()
        if way is None:
            raise ConnectionError("no session")
        is_news = isinstance(body, ScreenNews)
        data = body.model_dump_json().encode() if isinstance(body, ScreenNews) else body
        headers = {
            "Authorization": f"Bearer {way.ticket}",
            "Content-Type": "application/json" if is_news else "image/png",
            "Content-Length": str(len(data)),
        }
        url = way.base_url + screen_path(asked.slot, asked.look)
        async with (
            asyncio.timeout(_PUT_S),
            http.put(url, data=io.BytesIO(data), headers=headers, **way.how) as answer,
        ):
            if answer.status not in {204, _NOBODY_LOOKS}:
                raise ConnectionError(f"the hub answered {answer.status}")
            return answer.status != _NOBODY_LOOKS


def _client() -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def _news(trouble: str) -> ScreenNews:
    return ScreenNews(state="trouble", message=trouble) if trouble else ScreenNews(state="same")


def _picture(frame: Frame) -> bytes | ScreenNews:
    """As it travels. Blocks."""
    while frame.width * frame.height > _PIXELS_MAX:
        frame = halved(frame)
    png = encode(frame)
    if len(png) > SCREEN_MAX_BYTES:
        return ScreenNews(state="trouble", message=f"The picture has {len(png)} bytes, {SCREEN_MAX_BYTES} travel.")
    return png
