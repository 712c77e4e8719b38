"""What runners ask by HTTPS beside the link: enrolment, builds, artifacts (S1, S7, S8, core.md §6)."""

import hashlib
from collections.abc import AsyncIterator, Mapping

import pytest

from agent.wire.enrolment import ENROL_PATH
from agent.wire.messages import Start
from agent.wire.uploads import EXECUTION_HEADER, OFFSET_HEADER, artifact_path
from hub.runners.admission import Admission
from hub.runners.handshake import is_own_origin
from hub.services import artifacts
from hub.services.build_files import BuildFiles
from tests.runners.conftest import BUILD, LinkWorld
from tests.support.clock import FakeClock
from tests.support.work_world import DIGEST

DATA = b"result of a bot\n" * 1000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
async def bot(world: LinkWorld) -> AsyncIterator[dict[str, str]]:
    """The headers of a runner that speaks for its running bot."""
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        await world.create()
        await session.offer()
        start = await session.next(Start)
        yield {"Authorization": f"Bearer {session.welcome.ticket}", EXECUTION_HEADER: start.execution_id}


async def put(world: LinkWorld, headers: Mapping[str, str], data: bytes, sha256: str = SHA) -> int:
    """Status of an upload."""
    async with world.client.put(world.url + artifact_path(sha256), data=data, headers=headers) as response:
        return response.status


async def head(world: LinkWorld, headers: Mapping[str, str], sha256: str = SHA) -> tuple[int, str | None]:
    """Whether the hub has a file, and how much of it."""
    async with world.client.head(world.url + artifact_path(sha256), headers=headers) as response:
        return response.status, response.headers.get(OFFSET_HEADER)


async def test_an_artifact_is_stored_under_its_digest(world: LinkWorld, bot: dict[str, str]) -> None:
    assert (404, "0") == await head(world, bot)
    assert 201 == await put(world, bot, DATA)
    assert (200, None) == await head(world, bot)
    assert await world.hub.store.read(artifacts.has, world.caller.workspace_id, SHA)
    assert len(DATA) == world.hub.blobs.size(SHA)


async def test_an_upload_goes_on_where_it_broke_off(world: LinkWorld, bot: dict[str, str]) -> None:
    total = len(DATA)
    first = {**bot, "Content-Range": f"bytes 0-999/{total}"}
    assert 202 == await put(world, first, DATA[:1000])
    assert (404, "1000") == await head(world, bot)
    ahead = {**bot, "Content-Range": f"bytes 2000-{total - 1}/{total}"}
    assert 409 == await put(world, ahead, DATA[2000:])
    rest = {**bot, "Content-Range": f"bytes 1000-{total - 1}/{total}"}
    assert 201 == await put(world, rest, DATA[1000:])


async def test_other_bytes_than_the_digest_says_are_refused_for_good(world: LinkWorld, bot: dict[str, str]) -> None:
    assert 422 == await put(world, bot, b"something else")
    assert (404, "0") == await head(world, bot)
    assert 422 == await put(world, {**bot, "Content-Range": "bytes nonsense"}, DATA)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer guessed"}, 401),
        ({EXECUTION_HEADER: "exe_" + "9" * 32}, 403),
    ],
)
async def test_nobody_else_brings_files(
    world: LinkWorld, bot: dict[str, str], changed: dict[str, str], status: int
) -> None:
    """S7, S10: default deny; a runner speaks for its own executions only."""
    assert status == await put(world, {**bot, **changed}, DATA)


@pytest.mark.parametrize(
    "path",
    [
        f"/runner/v1/builds/{DIGEST}/manifest",
        f"/runner/v1/builds/{DIGEST}/lock?build={BUILD}",
        f"/runner/v1/builds/{DIGEST}/requirements?build={BUILD}",
        f"/runner/v1/blobs/{SHA}?build={DIGEST}",
    ],
)
async def test_nothing_of_a_build_is_told_without_a_ticket(world: LinkWorld, path: str) -> None:
    """S8: a runner reads nothing else of the hub; S7: nobody else reads anything."""
    async with world.client.get(world.url + path) as response:
        assert 401 == response.status
        assert "no_ticket" == (await response.json())["code"]


async def test_a_ticket_of_a_build_that_is_not_there_is_told_so(world: LinkWorld, bot: dict[str, str]) -> None:
    async with world.client.get(f"{world.url}/runner/v1/builds/{'9' * 64}/manifest", headers=bot) as response:
        assert 404 == response.status


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [("", "{}", 403), ("byk_" + "a" * 59, "{}", 403), ("good", "{}", 422), ("good", "no json", 422)],
)
async def test_an_enrolment_that_makes_no_sense_uses_no_token(
    world: LinkWorld, token: str, body: str, status: int
) -> None:
    """S1, S7: a key is not an enrolment token; a bad request leaves a good token unused."""
    secret = await world.token() if token == "good" else token
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    async with world.client.post(world.url + ENROL_PATH, data=body, headers=headers) as response:
        assert status == response.status
    if token == "good":
        runner = await world.runner("another")
        assert 201 == (await runner.enrol(secret, "vm9"))[0]


async def test_a_name_in_use_is_a_conflict_that_leaves_the_token(world: LinkWorld) -> None:
    runner = await world.runner("vm1")
    token = await world.token()
    assert 409 == (await runner.enrol(token, "vm1"))[0]
    assert 201 == (await runner.enrol(token, "vm2"))[0]


def test_a_herd_is_admitted_at_a_rate(clock: FakeClock) -> None:
    """design.md §5: herds are spread by the hub's admission."""
    admission = Admission(10.0, clock.monotonic)
    assert [0.0] * 10 == [admission.admit() for _ in range(10)]
    assert pytest.approx(0.1) == admission.admit()
    clock.advance(0.5)
    assert [0.0] * 5 == [admission.admit() for _ in range(5)]
    assert admission.admit() > 0


@pytest.mark.parametrize(
    ("origin", "host", "public", "is_own"),
    [
        ("http://hub:8040", "hub:8040", None, True),
        ("https://hub", "hub", None, True),
        ("https://hub:443", "HUB", None, True),
        ("http://hub", "hub:80", None, True),
        ("http://hub:8041", "hub:8040", None, False),
        ("https://evil", "hub", None, False),
        ("https://bots.acme.example", "127.0.0.1:8040", "https://bots.acme.example", True),
        ("https://bots.acme.example:444", "127.0.0.1:8040", "https://bots.acme.example", False),
        ("http://hub:port", "hub", None, False),
        ("", "hub", None, False),
    ],
)
def test_the_runner_dialled_this_hub(origin: str, host: str, public: str | None, *, is_own: bool) -> None:
    """S2: the signed origin is where this hub is reached; a proof made for another address is worth nothing."""
    assert is_own is is_own_origin(origin, host, public)


async def test_our_own_failure_tells_only_a_number(
    world: LinkWorld, bot: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S54: errors carry only a correlation id; the story is in the log under it."""

    async def fail(*_: object) -> bytes:
        raise RuntimeError("secret detail in /etc/somewhere")

    monkeypatch.setattr(BuildFiles, "manifest", fail)
    async with world.client.get(f"{world.url}/runner/v1/builds/{DIGEST}/manifest", headers=bot) as response:
        problem = await response.json()
    assert (500, "internal") == (response.status, problem["code"])
    assert "secret" not in str(problem)
    assert problem["correlation_id"] in caplog.text
    assert "secret detail" in caplog.text
