"""Desktops that somebody looks at: pictures travel only then, to those with the right, and each view is recorded."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest

from agent.screens.png import encode
from agent.wire.screens import SCREEN_MAX_BYTES, ScreenNews, ShowScreen, screen_path
from hub.domain.access import Role, SecretKind
from hub.services import access
from hub.services.access import NewKey
from tests.runners.conftest import LinkWorld
from tests.support.pictures import BLUE, dotted, plain
from tests.support.scripted_runner import ScriptedSession
from tests.support.typed import typing_in
from tests.support.waiting import eventually, seconds

FIRST, SECOND, THIRD = (encode(frame) for frame in (plain(), plain(colour=BLUE), dotted(plain(), (1, 1))))
Reader: TypeAlias = aiohttp.StreamReader
EDGE = b"\r\n--botyard-picture\r\n"
WHERE = "/runners/vm1/desktops/0"


def api(world: LinkWorld, method: str, path: str, **options: Any) -> Any:
    """A call of the API by the admin; use it in an `async with`."""
    secret = options.pop("secret", None) or (world.hub.settings.data / "admin-token").read_text().strip()
    headers = {"Authorization": f"Bearer {secret}"}
    return world.client.request(method, f"{world.url}/api/v1{path}", headers=headers, **options)


async def refused(world: LinkWorld, path: str) -> tuple[int, str]:
    """Status and code of a refusal."""
    async with api(world, "GET", path) as response:
        assert response.content_type == "application/problem+json", await response.text()
        return response.status, (await response.json())["code"]


async def put(world: LinkWorld, session: ScriptedSession, asked: ShowScreen, body: bytes | ScreenNews) -> int:
    """Bring a picture, or what is said instead."""
    news = isinstance(body, ScreenNews)
    headers = {"Authorization": f"Bearer {session.welcome.ticket}"}
    headers["Content-Type"] = "application/json" if news else "image/png"
    data = body.model_dump_json().encode() if isinstance(body, ScreenNews) else body
    async with world.client.put(
        world.url + screen_path(asked.slot, asked.look), data=io.BytesIO(data), headers=headers
    ) as answer:
        return answer.status


@pytest.fixture
async def session(world: LinkWorld) -> AsyncIterator[ScriptedSession]:
    """A runner that is linked."""
    async with (await world.runner()).connect() as made:
        yield made


@asynccontextmanager
async def watched(
    world: LinkWorld, session: ScriptedSession, url: str = ""
) -> AsyncIterator[tuple[Reader, ShowScreen]]:
    """A live view whose first picture has come."""

    def opened() -> Any:
        return world.client.get(url) if url else api(world, "GET", f"{WHERE}/live")

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(opened().__aenter__())
        asked = await session.next(ShowScreen)
        assert await put(world, session, asked, FIRST) == 204
        response = await asking
        assert response.status == 200, await response.text()
        yield _reader(response), asked
        response.close()


def _reader(response: aiohttp.ClientResponse) -> Reader:
    return response.content


async def picture(reader: Reader) -> bytes:
    """The next picture of a live view, as browsers take it: up to the next one's boundary."""
    async with asyncio.timeout(seconds(10)):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Type: image/png" in head
        data = await reader.readuntil(EDGE)
        return data.removesuffix(EDGE)


async def ended(reader: Reader) -> str:
    """The view ends by itself; what it says last."""
    async with asyncio.timeout(seconds(30)):
        head, _, words = (await reader.read()).rpartition(b"\r\n\r\n")
    assert head.endswith(b"--botyard-picture\r\nContent-Type: text/plain; charset=utf-8")
    return words.removesuffix(b"\r\n--botyard-picture--\r\n").decode()


async def events(world: LinkWorld) -> list[Any]:
    """The views that were recorded."""
    async with api(world, "GET", "/events", params={"type": "runner.screen_viewed"}) as response:
        return list((await response.json())["items"])


async def test_a_screenshot_is_asked_for_brought_and_recorded(world: LinkWorld, session: ScriptedSession) -> None:
    """The runner is asked once, told when nobody looks any more, and nothing is taken from it then."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(api(world, "GET", f"{WHERE}/screenshot").__aenter__())
        asked = await session.next(ShowScreen)
        assert asked.lease_s > 0
        assert await put(world, session, asked, FIRST) == 204
        response = await asking
    assert (response.status, response.content_type) == (200, "image/png")
    assert await response.read() == FIRST
    assert response.headers["Cache-Control"] == "no-store"
    over = await session.next(ShowScreen)
    assert (over.look, over.lease_s) == (asked.look, 0.0)
    assert await put(world, session, asked, SECOND) == 410
    (event,) = await events(world)
    assert event["data"] == {"slot": 0, "how": "screenshot"}
    assert event["actor"] == world.caller.actor


async def test_a_live_view_shows_what_changes_and_only_the_newest(world: LinkWorld, session: ScriptedSession) -> None:
    """Two pictures that come while nobody reads are one; the view is recorded once."""
    async with watched(world, session) as (reader, asked):
        assert await picture(reader) == FIRST
        assert await put(world, session, asked, ScreenNews(state="same")) == 204
        assert await put(world, session, asked, SECOND) == 204
        assert await picture(reader) == SECOND
        async with watched_beside(world) as second:
            assert await picture(second) == SECOND
            assert await put(world, session, asked, THIRD) == 204
            assert [await picture(one) for one in (reader, second)] == [THIRD, THIRD]
    assert [one["data"]["how"] for one in await events(world)] == ["live", "live"]


@asynccontextmanager
async def watched_beside(world: LinkWorld) -> AsyncIterator[Reader]:
    """A second viewer, who is shown the newest picture at once."""
    async with api(world, "GET", f"{WHERE}/live") as response:
        assert response.status == 200
        yield _reader(response)


async def test_the_lease_is_renewed_while_somebody_looks(world: LinkWorld, session: ScriptedSession) -> None:
    """By repeating the message; the last viewer who leaves ends it."""
    async with watched(world, session) as (reader, asked):
        assert await picture(reader) == FIRST
        again = await session.next(ShowScreen)
        assert again == asked
    over = await session.next(ShowScreen)
    while over.lease_s:
        over = await session.next(ShowScreen)
    assert over.look == asked.look


async def test_why_there_is_no_picture_is_told(world: LinkWorld, session: ScriptedSession) -> None:
    """As the runner says it."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(refused(world, f"{WHERE}/screenshot"))
        asked = await session.next(ShowScreen)
        news = ScreenNews(state="trouble", message="There is no desktop in slot 0.")
        assert await put(world, session, asked, news) == 204
    assert asking.result() == (409, "no_picture")
    assert await events(world) == []


async def test_a_runner_that_goes_ends_the_view(world: LinkWorld) -> None:
    """Who looks is not left with a picture of yesterday."""
    async with (await world.runner()).connect() as session, watched(world, session) as (reader, _):
        assert await picture(reader) == FIRST
        await session.socket.close()
        assert "not connected" in await ended(reader)


async def test_a_view_that_breaks_off_says_why(world: LinkWorld, session: ScriptedSession) -> None:
    """As the runner says it: whoever reads it by a program is not left to guess."""
    async with watched(world, session) as (reader, asked):
        assert await picture(reader) == FIRST
        news = ScreenNews(state="trouble", message="The X server :1 is gone.")
        assert await put(world, session, asked, news) == 204
        assert await ended(reader) == news.message


async def test_what_is_no_picture_is_refused(world: LinkWorld, session: ScriptedSession) -> None:
    """Too large, of another kind, of another slot or look, by another runner, or without a ticket."""
    async with (
        watched(world, session) as (reader, asked),
        (await world.runner("vm2")).connect() as other,
    ):
        assert await picture(reader) == FIRST
        assert await put(world, session, asked, FIRST[:8] + bytes(SCREEN_MAX_BYTES)) == 413
        assert await put(world, session, asked, b"<html>") == 422
        assert await put(world, session, asked.model_copy(update={"slot": 1}), SECOND) == 410
        assert await put(world, session, asked.model_copy(update={"look": "0" * 32}), SECOND) == 410
        assert await put(world, other, asked, SECOND) == 410
        assert await put(world, session, asked, THIRD) == 204
        assert await picture(reader) == THIRD


async def test_desktops_that_nobody_can_look_at(world: LinkWorld) -> None:
    """No such slot, not linked, revoked: each in words of its own."""
    runner = await world.runner()
    assert await refused(world, f"{WHERE}/screenshot") == (409, "runner_away")
    async with runner.connect():
        assert await refused(world, "/runners/vm1/desktops/1/screenshot") == (404, "no_slot")
        assert await refused(world, "/runners/vm1/desktops/-1/live") == (404, "no_slot")
        assert await refused(world, "/runners/vm9/desktops/0/live") == (404, "no_runner")
    async with api(world, "POST", "/runners/vm1/revoke") as response:
        assert response.status == 200
    assert await refused(world, f"{WHERE}/screenshot") == (409, "revoked")


async def view_of(world: LinkWorld, session: ScriptedSession, **options: Any) -> Any:
    """An address to look at a desktop that has shown a picture."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(api(world, "POST", f"{WHERE}/views", **options).__aenter__())
        asked = await session.next(ShowScreen)
        assert await put(world, session, asked, FIRST) == 204
        response = await asking
    assert response.status == 201, await response.text()
    assert (await session.next(ShowScreen)).lease_s == 0.0
    return await response.json()


async def test_no_address_is_made_where_there_is_nothing_to_see(world: LinkWorld, session: ScriptedSession) -> None:
    """It is refused as a picture is, in the runner's words."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(api(world, "POST", f"{WHERE}/views").__aenter__())
        asked = await session.next(ShowScreen)
        news = ScreenNews(state="trouble", message="There is no desktop in slot 0.")
        assert await put(world, session, asked, news) == 204
        response = await asking
    said = await response.json()
    assert (response.status, said["code"], said["detail"]) == (409, "no_picture", news.message)


async def test_a_page_shows_it_to_whoever_has_its_address(world: LinkWorld, session: ScriptedSession) -> None:
    """Without a key, for a minute; the address is a secret, made by somebody who may look."""
    made = await view_of(world, session)
    assert await events(world) == []  # nobody has seen anything yet
    async with world.client.get(made["url"]) as response:
        assert response.content_type == "text/html"
        assert made["live"].removeprefix(world.url) in await response.text()
        assert "script" not in response.headers["Content-Security-Policy"]
    async with watched(world, session, made["live"]) as (reader, _):
        assert await picture(reader) == FIRST
    (event,) = await events(world)
    assert event["actor"] == world.caller.actor
    async with world.client.get(made["url"] + "x") as response:
        assert response.status == 404
    world.clock.advance(120)
    async with world.client.get(made["live"]) as response:
        assert response.status == 404


async def test_a_view_dies_with_the_key_that_made_it(world: LinkWorld, session: ScriptedSession) -> None:
    """A person who leaves sees nothing any more."""
    secret = access.new_secret(SecretKind.KEY)
    key = await world.hub.store.write(access.create_key, world.caller, NewKey(name="op", role=Role.OPERATOR), secret)
    made = await view_of(world, session, secret=secret)
    async with watched(world, session, made["live"]) as (reader, asked):
        assert await picture(reader) == FIRST
        await world.hub.store.write(access.revoke_key, world.caller, key.id)
        assert "no longer good" in await ended(reader)
        await eventually(lambda: not world.hub.screens.is_wanted(session_runner(world), 0, asked.look))
    async with world.client.get(made["live"]) as response:
        assert response.status == 401


def session_runner(world: LinkWorld) -> str:
    """The runner that is linked."""
    (runner_id,) = world.hub.sessions.runners_of(world.caller.workspace_id)
    return runner_id


async def test_the_command_line_saves_a_picture(
    world: LinkWorld,
    session: ScriptedSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Private, and never over a file that is there; trouble is one line; `watch` prints the page's address."""
    monkeypatch.setenv("BOTYARD_URL", world.url)
    monkeypatch.setenv("BOTYARD_TOKEN", (world.hub.settings.data / "admin-token").read_text().strip())
    type_words, path = typing_in(capfdbinary), tmp_path / "desk.png"
    async with asyncio.TaskGroup() as group:
        typing = group.create_task(type_words("runner", "screenshot", "vm1", "-o", str(path)))
        asked = await session.next(ShowScreen)
        assert await put(world, session, asked, FIRST) == 204
    assert (typing.result().code, path.read_bytes()) == (0, FIRST)
    assert path.stat().st_mode & 0o777 == 0o600
    again = await type_words("runner", "screenshot", "vm1", "-o", str(path))
    assert (again.code, again.err) == (1, f"botyard: {path} is there already; name another file.\n")
    away = await type_words("runner", "screenshot", "vm1", "--desktop", "7")
    assert away.err == "botyard: vm1 has slots 0 to 0; there is no slot '7'.\n"
    # What is not looked at any more is told too.
    assert (await session.next(ShowScreen)).lease_s == 0.0
    async with asyncio.TaskGroup() as group:
        typing = group.create_task(type_words("runner", "watch", "vm1", "--json"))
        assert await put(world, session, await session.next(ShowScreen), FIRST) == 204
    shown = typing.result()
    assert shown.json()["url"].startswith(f"{world.url}/screens/")
