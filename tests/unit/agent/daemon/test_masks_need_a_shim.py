"""The gateway's masks go to the shim, or the bot gets no secret (S15, core.md §3)."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.daemon.bots import Bots
from agent.gateway_port import MasksUnavailableError
from agent.shim.client import ShimGone, ShimRefused

BOT = "exe_" + "1" * 32


class Client:
    """A connection to a shim that masks, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.masks: list[bytes] = []

    async def add_masks(self, masks: list[bytes]) -> None:
        if self.failure is not None:
            raise self.failure
        self.masks += masks


class Known:
    """What the daemon masks with itself."""

    def __init__(self) -> None:
        self.masks: list[bytes] = []

    def add(self, masks: list[bytes]) -> None:
        self.masks += masks


def bots(client: Client | None) -> tuple[Bots, Known]:
    """The gateway's host with one execution, whose shim is reached by this connection."""
    known = Known()
    keeper = SimpleNamespace(client=client, masks=known)
    house = SimpleNamespace(keepers={BOT: keeper})
    return Bots(cast("Any", house), cast("Any", None)), known


async def test_a_mask_is_in_force_on_return() -> None:
    """core.md §3: the gateway has the shim's answer before the bot gets the secret."""
    client = Client()
    host, known = bots(client)
    await host.add_masks(BOT, ["s3cret"])
    assert [b"s3cret"] == client.masks == known.masks


@pytest.mark.parametrize(
    "client", [None, Client(ShimGone("gone")), Client(ShimRefused("no")), Client(TimeoutError())], ids=str
)
async def test_without_its_shim_there_is_no_secret(client: Client | None) -> None:
    """S15, core.md §3: "shim unreachable: no secret, 503": not connected now is unreachable too."""
    host, known = bots(client)
    with pytest.raises(MasksUnavailableError):
        await host.add_masks(BOT, ["s3cret"])
    assert [] == known.masks
