"""Typing commands of `botyard` against a hub: in this process, in a thread beside it, or in a process of its own."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from hub.cli.__main__ import run
from tests.support.api_hub import ApiWorld
from tests.support.rig import ROOT
from tests.support.waiting import seconds

Typed = Callable[..., Coroutine[Any, Any, "Answer"]]


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def typing_in(capture: pytest.CaptureFixture[bytes]) -> Typed:
    """Type a command: it runs as it does in a process of its own, in a thread beside the hub."""

    async def type_(*words: str) -> Answer:
        capture.readouterr()
        code = await asyncio.to_thread(run, list(words))
        printed = capture.readouterr()
        return Answer(code, printed.out, printed.err.decode())

    return type_


@contextlib.asynccontextmanager
async def process(world: ApiWorld, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The same in a process of its own, for signals."""
    env = {**os.environ, "BOTYARD_URL": world.url, "BOTYARD_TOKEN": world.secrets["admin"], "PYTHONPATH": str(ROOT)}
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "hub.cli", *words)
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=env)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def apart(world: ApiWorld, *words: str) -> Answer:
    """Type a command that ends by itself, in a process of its own."""
    async with process(world, *words) as child, asyncio.timeout(seconds(30)):
        out, err = await child.communicate()
    assert child.returncode is not None
    return Answer(child.returncode, out, err.decode())
