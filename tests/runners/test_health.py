"""What machines ask of a hub without a token (design.md §5): alive, able to work, how much."""

import pytest

from hub.storage.store import StoreUnavailable
from tests.runners.conftest import LinkWorld

PATHS = ("/healthz", "/readyz", "/metrics")


async def ask(world: LinkWorld, path: str) -> tuple[int, str]:
    """Status and text."""
    async with world.client.get(world.url + path) as response:
        return response.status, await response.text()


async def test_a_hub_says_that_it_lives_and_works(world: LinkWorld) -> None:
    assert (200, "alive\n") == await ask(world, "/healthz")
    assert (200, "ready\n") == await ask(world, "/readyz")


async def test_figures_follow_the_runners(world: LinkWorld) -> None:
    runner = await world.runner()
    assert "botyard_runner_sessions 0.0" in (await ask(world, "/metrics"))[1]
    async with runner.connect():
        assert "botyard_runner_sessions 1.0" in (await ask(world, "/metrics"))[1]


async def test_a_hub_whose_database_is_away_lives_and_is_not_ready(
    world: LinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load balancer looks elsewhere; a service manager does not restart what a restart can't mend."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("store_down", "the database is not reached")

    monkeypatch.setattr(type(world.hub.store), "read", away)
    assert 200 == (await ask(world, "/healthz"))[0]
    assert 503 == (await ask(world, "/readyz"))[0]


@pytest.mark.parametrize("path", PATHS)
async def test_they_tell_nothing_of_what_the_hub_holds(world: LinkWorld, path: str) -> None:
    """S7: what needs no token has no name, no id and no label in it."""
    runner = await world.runner("desk-of-ana")
    task = await world.create()
    text = (await ask(world, path))[1]
    held = (runner.id, "desk-of-ana", "invoices", task.id, "default", "north", world.caller.workspace_id)
    assert [] == [word for word in held if word in text]
