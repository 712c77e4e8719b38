"""The vendor's own SDK in a process of its own, as a bot has it."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.gateway import TOKEN, GatewayWorld
from tests.support.waiting import seconds

QUIET = ("-W", "ignore", "-u")
PRELUDE = """
import json, sys, time
from botcity.maestro import *
def say(**what): print(json.dumps(what), flush=True)
def shown(task):
    items = [task.total_items, task.processed_items, task.failed_items]
    return [task.state, task.finish_status, task.finish_message, *items]
"""
AS_BOT = PRELUDE + "maestro = BotMaestroSDK.from_sys_args()\nexecution = maestro.get_execution()\n"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[dict[str, Any]]:
        """What it said with `say`."""
        return [json.loads(line) for line in self.out.splitlines()]


async def python(*arguments: str, cwd: Path | None = None, within: float = 40) -> Ended:
    """Run Python on `arguments` to its end, as a bot is run."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *QUIET,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")},
    )
    try:
        async with asyncio.timeout(seconds(within)):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


def argv(url: str, number: int = 1042, token: str = TOKEN) -> tuple[str, ...]:
    """What BotCity's runner passes to a bot (§5)."""
    return (url, str(number), token, "acme")


async def bot(world: GatewayWorld, code: str) -> list[dict[str, Any]]:
    """Run `code` as a bot of the gateway; what it said."""
    ended = await python("-c", AS_BOT + code, *argv(world.url))
    assert ended.code == 0, ended.err
    return ended.said
