"""Enrolment against a hub over HTTP, and its one-line errors (S1, S2, S6)."""

import asyncio
import io
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.enrol import Wish, enrol, read_token
from agent.errors import AgentError, SetupError, UsageError
from agent.home import Home, Membership
from agent.keys import public_key
from agent.ports import SystemDisk
from tests.support.scripted_hub import HUB_ID, ScriptedHub

TOKEN = "byt_x"


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    """A hub that enrols."""
    hub = ScriptedHub()
    await hub.serve()
    yield hub
    await hub.close()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A fresh home."""
    home = Home.lock(tmp_path / "home", SystemDisk())
    yield home
    home.release()


async def do(home: Home, hub: ScriptedHub, *, again: bool = False) -> Membership:
    """Enrol in a thread, as a command does."""
    url = f"http://127.0.0.1:{hub.port}"
    wish = Wish(url=url, token=TOKEN, name="vm-1", labels={"site": "berlin"}, slots=3, again=again)
    return await asyncio.to_thread(enrol, home, wish)


async def test_a_home_becomes_a_runner_and_pins_its_hub(hub: ScriptedHub, home: Home) -> None:
    """S2, S6: the key is made here, the hub's is pinned."""
    # when
    made = await do(home, hub)

    # then
    (asked,) = hub.enrolments
    assert (asked.name, asked.labels, asked.slots) == ("vm-1", {"site": "berlin"}, 3)
    assert asked.key == public_key(home.private_key())
    assert (asked.home_id, asked.fingerprint) == (home.home_id(), home.fingerprint())
    assert (made.hub_id, made.hub_key, made.runner_id) == (HUB_ID, hub.key, hub.runner_id)
    assert home.membership() == made
    assert stat.S_IMODE((home.path / "key").stat().st_mode) == 0o600
    assert TOKEN not in "".join(path.read_text("latin-1") for path in home.path.iterdir() if path.is_file())


async def test_a_runner_is_not_enrolled_twice_by_accident(hub: ScriptedHub, home: Home) -> None:
    """D8: `--again` is the way out, and makes another home of it."""
    await do(home, hub)
    key, home_id = home.private_key(), home.home_id()
    with pytest.raises(SetupError, match="enroll --again"):
        await do(home, hub)
    await do(home, hub, again=True)
    assert home.private_key() != key
    assert home.home_id() != home_id


def _contents(home: Home) -> dict[str, bytes]:
    """All that lies in it."""
    return {str(path): path.read_bytes() for path in home.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["executions", "spool.db"])
async def test_a_folder_that_is_no_runners_keeps_what_it_holds(hub: ScriptedHub, home: Home, name: str) -> None:
    """Enrolment removes what an earlier runner left here; what somebody else keeps under that name is not its own."""
    kept = home.path / name / "my own" if name == "executions" else home.path / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("dear")
    with pytest.raises(SetupError, match=f"would remove its {name}: give --home another folder"):
        await do(home, hub, again=True)
    assert kept.read_text() == "dear"
    assert not hub.enrolments


async def test_who_is_refused_again_is_the_runner_that_it_was(hub: ScriptedHub, home: Home) -> None:
    """A token that is used up, or a hub that is away, costs nothing; the next token makes another runner of it."""
    await do(home, hub)
    (home.path / "executions" / "x").mkdir(parents=True)
    (home.path / "executions" / "x" / "fact").write_text("of the old runner")
    (home.path / "spool.db").write_text("of the old runner")
    before = _contents(home)
    for status in (401, 503):
        hub.enrol_status = status
        with pytest.raises(AgentError):
            await do(home, hub, again=True)
        assert before == _contents(home)
    hub.enrol_status = 200
    await do(home, hub, again=True)
    assert home.private_key() != before[str(home.path / "key")]
    assert not (home.path / "executions").exists()
    assert not (home.path / "spool.db").exists()


@pytest.mark.parametrize("step", ["start_over", "prepare", "join_hub"])
async def test_who_dies_after_the_hubs_yes_is_no_runner_and_can_become_one(
    hub: ScriptedHub, home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """One token is lost; no home is half the old runner and half the new one."""
    await do(home, hub)
    (home.path / "executions" / "of the old runner").mkdir(parents=True)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if step == "start_over":
            broken.setattr(SystemDisk, "remove_tree", die)
        else:
            broken.setattr(Home, step, die)
        with pytest.raises(KeyboardInterrupt):
            await do(home, hub, again=True)
    assert not home.is_enrolled
    made = await do(home, hub)
    assert (made, False) == (home.membership(), (home.path / "executions").exists())
    assert hub.enrolments[-1].key == public_key(home.private_key())


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        (401, SetupError, "no"),
        (404, SetupError, "no botyard hub"),
        (422, SetupError, "refused"),
        (503, AgentError, "cannot enrol now"),
    ],
)
async def test_a_refusal_is_one_sentence(
    hub: ScriptedHub, home: Home, status: int, kind: type[AgentError], why: str
) -> None:
    """Packaging §2: 78 where only a person can mend it, else 75."""
    hub.enrol_status = status
    with pytest.raises(kind, match=why) as found:
        await do(home, hub)
    assert type(found.value) is kind
    assert not home.is_enrolled


async def test_a_hub_that_is_not_there_is_worth_another_try(hub: ScriptedHub, home: Home) -> None:
    """75."""
    await hub.close()
    with pytest.raises(AgentError, match="not reached") as found:
        await do(home, hub)
    assert found.value.exit_code == 75


async def test_plain_http_to_what_speaks_none_is_told_so(home: Home) -> None:
    """A hub with --tls-cert, asked by http://, closes: the remedy is another scheme, not Python's words."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        wish = Wish(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", token=TOKEN, name="vm-1")
        with pytest.raises(AgentError, match="is it https://, or another port"):
            await asyncio.to_thread(enrol, home, wish)


def test_the_token_comes_from_stdin_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaging §3: never argv."""
    (tmp_path / "token").write_text(f" {TOKEN}\n")
    assert read_token(str(tmp_path / "token")) == TOKEN
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\nmore"))
    assert read_token("-") == TOKEN


@pytest.mark.parametrize(("text", "why"), [("", "empty"), ("byk_x", "byt_"), (None, "can't be read")])
def test_a_wrong_token_is_refused_before_it_is_sent(tmp_path: Path, text: str | None, why: str) -> None:
    """One sentence that says which."""
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_token(str(path))
