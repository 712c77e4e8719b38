"""A runner's desktops, looked at: one picture, or a live view. What is on them can't be masked: operators and above.

A browser can't send a key with a picture, so there are *views*: an address that is worth one desktop, made by somebody
who may look at it, good for opening within a minute, and as long as the key that made it is.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from importlib.resources import files

from aiohttp import web
from pydantic import Field

from hub.api.call import Call, Nothing, Sent, View
from hub.api.problem import Refused
from hub.api.route import Route, Spec, route
from hub.api.serve import guarded
from hub.api.sse import CHECK_EVERY_S, STREAMS
from hub.context import Hub
from hub.domain.access import Caller, Role
from hub.errors import BotyardError
from hub.services import access, screen_views
from hub.services.idempotency import Answered
from hub.services.screen_views import Looked
from hub.services.screens import Picture
from hub.services.screens import View as Viewer

PAGE = "/screens/{view}"
_OPEN_S = 60.0
_VIEWS_MAX = 1000
_REPEAT_S = 10.0
"""A picture that did not change is sent again: proxies keep the line open, and a viewer that is gone is found."""
_SLOW_S = 20.0
"""A viewer that takes longer for one picture is cut off."""
_BOUNDARY = b"botyard-picture"
_HEAD = b"--" + _BOUNDARY + b"\r\nContent-Type: image/png\r\n\r\n"
_WORDS = b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
_LIVE = "multipart/x-mixed-replace"
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_PAGE_POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


class LiveView(View):
    """An address that shows one desktop to whoever opens it."""

    url: str = Field(description="A page for a browser. Whoever has it sees the desktop: treat it as a key.")
    live: str = Field(description="The moving picture alone, as `multipart/x-mixed-replace`.")
    expires_at: datetime = Field(description="Until when it can be opened; who looks then goes on looking.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watcher:
    """Who looks, and by which key."""

    hub: Hub
    caller: Caller
    secret: str
    looked: Looked


@dataclass(slots=True)
class Views:
    """Addresses that can be opened now, in memory."""

    by_name: dict[str, tuple[float, _Watcher]] = field(default_factory=dict)

    def add(self, watcher: _Watcher, now: float) -> str:
        """A new one; the oldest makes room where there are very many."""
        for name in [name for name, (ends, _) in self.by_name.items() if ends < now]:
            del self.by_name[name]
        while len(self.by_name) >= _VIEWS_MAX:
            del self.by_name[next(iter(self.by_name))]
        name = secrets.token_urlsafe(32)
        self.by_name[name] = (now + _OPEN_S, watcher)
        return name

    def find(self, name: str, now: float) -> _Watcher:
        """Whose it is. Raises Refused."""
        ends, watcher = self.by_name.get(name, (now - 1, None))
        if watcher is None or ends < now:
            raise Refused(404, "no_view", "This view is over. `botyard runner watch` opens another.")
        return watcher

    def keep(self, name: str, now: float) -> None:
        """Somebody looks: the page may be loaded again for a while."""
        if name in self.by_name:
            self.by_name[name] = (now + _OPEN_S, self.by_name.pop(name)[1])


VIEWS = web.AppKey("views", Views)


@route(
    "GET",
    "/runners/{runner}/desktops/{slot}/screenshot",
    Spec(
        role=Role.OPERATOR,
        summary="Take a picture of a desktop",
        about="As it is now. That somebody looked is an event, `runner.screen_viewed`.",
        media="image/png",
        streams=True,
    ),
)
async def screenshot(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """The picture."""
    watcher = await _watcher(call)
    with call.hub.screens.look(watcher.looked.runner_id, watcher.looked.slot) as viewer:
        picture = await viewer.first()
    await _note(watcher, "screenshot")
    return web.Response(body=picture.png, content_type="image/png", headers=_PRIVATE)


@route(
    "GET",
    "/runners/{runner}/desktops/{slot}/live",
    Spec(
        role=Role.OPERATOR,
        summary="Watch a desktop",
        about="Two pictures a second at most, only while it changes; a slow reader misses some. Recorded as an event. "
        "Where it breaks off, a last part of `text/plain` says why.",
        media=_LIVE,
        streams=True,
    ),
)
async def live(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """Pictures until the client leaves, the runner goes, or the key is no longer good."""
    return await _stream(await _watcher(call), call.request, lambda: None)


@route(
    "POST",
    "/runners/{runner}/desktops/{slot}/views",
    Spec(
        role=Role.OPERATOR,
        summary="Make an address to watch a desktop",
        about="For a browser, which can't send a key with a picture. To be opened within a minute, at this hub. "
        "Refused as a picture is where there is none.",
        status=201,
        secret=True,
    ),
)
async def create_view(call: Call[Nothing, Nothing]) -> Sent[LiveView]:
    """The address; it is forgotten when the hub stops, so no Idempotency-Key is kept for it."""
    watcher = await _watcher(call)
    # An address of nothing would be a page that stays empty: the runner says first whether there is something.
    with call.hub.screens.look(watcher.looked.runner_id, watcher.looked.slot) as viewer:
        await viewer.first()
    name = call.request.app[VIEWS].add(watcher, call.hub.clock.monotonic())
    url = call.base_url + PAGE.format(view=name)
    made = LiveView(url=url, live=url + "/live", expires_at=call.hub.clock.now() + timedelta(seconds=_OPEN_S))
    return Sent(Answered(status=call.status, body=made.model_dump_json().encode(), replayed=False))


ROUTES: tuple[Route, ...] = (screenshot, live, create_view)


# --- pages, for whoever has a view's address ---


async def page(hub: Hub, request: web.Request) -> web.StreamResponse:
    """The page with the moving picture in it."""
    name = request.match_info["view"]
    watcher = request.app[VIEWS].find(name, hub.clock.monotonic())
    body = await asyncio.to_thread(_page, watcher.looked, PAGE.format(view=name) + "/live")
    headers = {**_PRIVATE, "Content-Security-Policy": _PAGE_POLICY}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


async def page_live(hub: Hub, request: web.Request) -> web.StreamResponse:
    """Its picture."""
    views, name = request.app[VIEWS], request.match_info["view"]
    watcher = views.find(name, hub.clock.monotonic())
    return await _stream(watcher, request, lambda: views.keep(name, hub.clock.monotonic()))


def _page(looked: Looked, live: str) -> bytes:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.PackageLoader("hub.api", "pages"), autoescape=True)
    return environment.get_template("screen.html").render(seen=looked, live=live).encode()


async def _style(_: web.Request) -> web.StreamResponse:
    """The page's style sheet."""
    body = await asyncio.to_thread(files("hub.api").joinpath("pages", "screen.css").read_bytes)
    return web.Response(body=body, content_type="text/css", charset="utf-8")


def mount(app: web.Application, hub: Hub) -> None:
    """Serve the views."""
    app[VIEWS] = Views()
    for path, handler in ((PAGE, page), (PAGE + "/live", page_live)):
        app.router.add_get(path, guarded(partial(handler, hub)), allow_head=False)
    app.router.add_get("/screens.css", _style)


# --- looking ---


async def _watcher(call: Call[Nothing, Nothing]) -> _Watcher:
    """Raises NotFound, Conflict: there is nothing to look at."""
    caller, hub = call.caller, call.hub
    looked = await call.read(
        lambda tx: screen_views.find(
            tx, caller.workspace_id, call.path("runner"), call.path("slot"), hub.identity.hub_id
        )
    )
    secret = call.request.headers.get("Authorization", "").partition(" ")[2].strip()
    return _Watcher(hub=hub, caller=caller, secret=secret, looked=looked)


async def _note(watcher: _Watcher, how: str) -> None:
    """Before anything is seen."""
    caller = watcher.caller
    await watcher.hub.store.write(screen_views.note_view, caller.workspace_id, watcher.looked, caller.actor, how)


async def _stream(watcher: _Watcher, request: web.Request, looking: Callable[[], None]) -> web.StreamResponse:
    if not await _is_good(watcher):
        raise Refused(401, "unauthenticated", "The key that made this view is no longer good.")
    headers = {**_PRIVATE, "Content-Type": f"{_LIVE}; boundary={_BOUNDARY.decode()}", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    with watcher.hub.screens.look(watcher.looked.runner_id, watcher.looked.slot) as viewer:
        picture = await viewer.first()
        await _note(watcher, "live")
        await response.prepare(request)
        # Whoever left ends it without a word.
        with _ended_first(request), contextlib.suppress(ConnectionError, TimeoutError):
            await response.write(_HEAD)
            try:
                await _pictures(watcher, viewer, picture, response, looking)
            except (BotyardError, Refused) as over:
                await _say(response, str(over))
    return response


@contextlib.contextmanager
def _ended_first(request: web.Request) -> Iterator[None]:
    """A hub that stops ends this handler before it waits for others."""
    handler = asyncio.current_task()
    assert handler is not None
    streaming = request.app[STREAMS].handlers
    streaming.add(handler)
    try:
        yield
    finally:
        streaming.discard(handler)


async def _pictures(
    watcher: _Watcher, viewer: Viewer, picture: Picture, response: web.StreamResponse, looking: Callable[[], None]
) -> None:
    clock = watcher.hub.clock.monotonic
    sent_s, checked_s = clock(), clock()
    await _send(response, picture)
    while True:
        newer = await viewer.next(picture, CHECK_EVERY_S)
        looking()
        if clock() - checked_s >= CHECK_EVERY_S:
            checked_s = clock()
            if not await _is_good(watcher):
                raise Refused(401, "unauthenticated", "The key that made this view is no longer good.")
        if newer is not None or clock() - sent_s >= _REPEAT_S:
            picture, sent_s = newer or picture, clock()
            await _send(response, picture)


async def _send(response: web.StreamResponse, picture: Picture) -> None:
    """One picture with the next one's head behind it: Chromium shows a picture when it knows that another begins."""
    async with asyncio.timeout(_SLOW_S):
        await response.write(b"".join([picture.png, b"\r\n", _HEAD]))


async def _say(response: web.StreamResponse, why: str) -> None:
    """One last part with the reason, for those who read it; a browser blanks the picture for it."""
    async with asyncio.timeout(_SLOW_S):
        await response.write(b"".join([b"\r\n--", _BOUNDARY, _WORDS, why.encode(), b"\r\n--", _BOUNDARY, b"--\r\n"]))


async def _is_good(watcher: _Watcher) -> bool:
    """Whether the key that looks may still look."""
    caller = await watcher.hub.store.read(access.authenticate, watcher.secret)
    return caller is not None and caller.may(Role.OPERATOR)
