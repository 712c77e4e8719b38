"""What one connected runner costs a hub in memory: real sockets, real keys, real handshakes, plain and over TLS.

The runners are enrolled first, then the hub is started anew, so that what enrolment left in its heap does not hide what
the connections take. The figure is resident memory with all of them linked less that with one, over their number.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil

from agent.wire.messages import Heartbeat, HeartbeatAck
from tests.support.certificates import Authority
from tests.support.rig import Rig
from tests.support.scripted_runner import ScriptedRunner, stamp_now

_AT_ONCE = 32
_BEAT_S = 10.0
_SETTLED_KB = 64
_SETTLE_S = 1.0
_SETTLE_ROUNDS = 20
_BUSY = 503


async def measure(n: int, *, tls: bool) -> float:
    """KB of resident memory of the hub for each of `n` linked runners."""
    return (await measured(n, tls=tls))["kb_per_connection"]


async def measured(n: int, *, tls: bool) -> dict[str, float]:
    """That figure, and how many seconds it took to enrol and to link all of them."""
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as name:
        rig = _rig(Path(name), tls=tls)
        async with rig, rig.client(Authorization=f"Bearer {_token(rig)}") as http:
            begin = time.monotonic()
            runners = await _enrolled(rig, http, n + 1)
            enrolled = time.monotonic()
            await rig.hub.end()
            await rig.start_hub()
            kb, took_s = await _linked(rig.hub.pid, runners)
            return {"kb_per_connection": kb, "enrol_s": enrolled - begin, "link_s": took_s}


def _rig(folder: Path, *, tls: bool) -> Rig:
    if not tls:
        return Rig(folder)
    authority = Authority(folder / "ca")
    issued = authority.issue()
    return Rig(folder, hub_options=("--tls-cert", str(issued.cert), "--tls-key", str(issued.key)), ca=authority.ca)


def _token(rig: Rig) -> str:
    return rig.env["BOTYARD_TOKEN"]


async def _enrolled(rig: Rig, http: aiohttp.ClientSession, n: int) -> list[ScriptedRunner]:
    """Runners with keys of their own, each by a token of its own. Their links get a client of their own."""
    links = rig.client()
    runners = [ScriptedRunner(url=rig.url, client=links) for _ in range(n)]

    async def enrol(number: int) -> None:
        async with http.post(f"{rig.url}/api/v1/enrolment-tokens", json={}) as answer:
            token = (await answer.json())["token"]
        status, said = await runners[number].enrol(token, f"vm{number}")
        assert status == 201, said

    await _by_few(enrol, range(n))
    return runners


async def _linked(pid: int, runners: Sequence[ScriptedRunner]) -> tuple[float, float]:
    """(KB a connection, seconds that linking took). All are linked at the same time when the figure is taken."""
    crowd = Crowd()
    try:
        async with asyncio.TaskGroup() as group:
            await crowd.join(group, runners[:1])
            before = await _settled_kb(pid)
            begin = time.monotonic()
            await crowd.join(group, runners[1:])
            took_s = time.monotonic() - begin
            after = await _settled_kb(pid)
            assert crowd.linked == len(runners), f"{crowd.linked} of {len(runners)} are linked"
            crowd.leave.set()
    finally:
        await runners[0].client.close()
    return (after - before) / (len(runners) - 1), took_s


class Crowd:
    """Runners that are linked, idle, and say so every ten seconds, as real ones do."""

    def __init__(self) -> None:
        self.linked = 0
        self.leave = asyncio.Event()

    async def join(self, group: asyncio.TaskGroup, runners: Sequence[ScriptedRunner]) -> None:
        """Link these, few at once; all are when this returns."""

        async def start(number: int) -> None:
            up = asyncio.Event()
            group.create_task(self._live(runners[number], up))
            await up.wait()

        await _by_few(start, range(len(runners)))

    async def _live(self, runner: ScriptedRunner, up: asyncio.Event) -> None:
        while True:
            try:
                return await self._session(runner, up)
            except aiohttp.WSServerHandshakeError as error:
                # The hub's admission: a herd is spread, and comes again.
                if error.status != _BUSY:
                    raise
                await asyncio.sleep(0.5)

    async def _session(self, runner: ScriptedRunner, up: asyncio.Event) -> None:
        async with runner.connect() as session:
            await session.offer()
            self.linked += 1
            try:
                for number in range(1, 1_000_000):
                    await session.send(Heartbeat(number=number, stamp=stamp_now()))
                    await session.next(HeartbeatAck, within=30)
                    session.seen.clear()
                    up.set()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_BEAT_S):
                            await self.leave.wait()
                            return
            finally:
                self.linked -= 1


async def _by_few(do: Callable[[int], Awaitable[None]], numbers: Sequence[int]) -> None:
    """Do all of it, a few at a time."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await do(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(worker())


async def _settled_kb(pid: int) -> float:
    """Resident memory once it has stopped to change, or after twenty seconds."""
    process, known = psutil.Process(pid), 0.0
    for _ in range(_SETTLE_ROUNDS):
        now = process.memory_info().rss / 1024
        if abs(now - known) < _SETTLED_KB:
            return now
        known = now
        await asyncio.sleep(_SETTLE_S)
    return known


def main() -> None:
    """Print both figures, by themselves."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.connections", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="how many runners")
    parser.add_argument("--only", choices=["plain", "tls"], default=None)
    options = parser.parse_args()
    for name in ("plain", "tls") if options.only is None else (options.only,):
        print(name, json.dumps(asyncio.run(measured(options.n, tls=name == "tls"))), flush=True)


if __name__ == "__main__":
    main()
