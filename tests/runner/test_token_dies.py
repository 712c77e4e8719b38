"""A bot's token opens the gateway while its bot lives, and five seconds longer (S10)."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from tests.runner.conftest import Ready
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TELLS = """
keys = {{name: os.environ[name] for name in ("BOTYARD_API_URL", "BOTYARD_API_TOKEN")}}
open({path!r} + ".new", "w").write(json.dumps(keys))
os.rename({path!r} + ".new", {path!r})
while not os.path.exists({path!r} + ".go"):
    time.sleep(0.05)
"""


async def ask(keys: dict[str, str]) -> int:
    """What the gateway says to whoever holds these."""
    headers = {"Authorization": f"Bearer {keys['BOTYARD_API_TOKEN']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(keys["BOTYARD_API_URL"] + "/parameters") as answer,
    ):
        return answer.status


async def test_a_token_is_dead_five_seconds_after_its_tree_is_empty(
    hub: ScriptedHub, ready: Ready, tmp_path: Path
) -> None:
    """S10: "dead <= 5 s after its tree is empty", also while the hub has not said `forget` yet."""
    # given a bot that gives its token away
    path = tmp_path / "keys"
    build = await ready(TELLS.format(path=str(path)))
    order = await hub.start(build)
    await eventually(path.exists, within=20)
    keys = json.loads(path.read_text())
    assert await ask(keys) == 200

    # when it ends, and the hub says nothing more
    path.with_name("keys.go").touch()
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=20)

    # then the token is soon worth nothing
    async def is_dead() -> bool:
        return await ask(keys) == 401

    async with asyncio.timeout(10):
        await eventually(is_dead, within=7, saying="the token still opens the gateway")
