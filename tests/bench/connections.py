"""What one connected runner costs a hub in memory: real sockets, real keys, real handshakes, plain and over TLS.

The runners are enrolled first, then the hub is started anew, so that what enrolment left in its heap does not hide what
the connections take. The figure is resident memory with all of them linked less that with one, over their number.
"""

import argparse
import asyncio
import itertools
import json
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiohttp
import psutil

from agent.link import Address, Link, LinkClosedError, dial, make_nonce, parse_address
from agent.wire.codec import decode_to_runner, encode
from agent.wire.messages import Challenge, Heartbeat, HeartbeatAck, ResumeEnd, SlotFree, ToRunner, Welcome
from tests.support.certificates import Authority
from tests.support.rig import Rig
from tests.support.scripted_runner import ScriptedRunner, stamp_now

_AT_ONCE = 32
_BEAT_S = 10.0
_SETTLED_KB = 64
_SETTLE_S = 1.0
_SETTLE_ROUNDS = 20
_BUSY = "503"

T = TypeVar("T", bound=ToRunner)


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
            kb, took_s = await _linked(rig, runners)
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
    """Runners with keys of their own, each by a token of its own."""
    runners = [ScriptedRunner(url=rig.url, client=http) for _ in range(n)]

    async def enrol(number: int) -> None:
        async with http.post(f"{rig.url}/api/v1/enrolment-tokens", json={}) as answer:
            token = (await answer.json())["token"]
        status, said = await runners[number].enrol(token, f"vm{number}")  # its token goes before the client's key
        assert status == 201, said

    await _by_few(enrol, range(n))
    return runners


async def _linked(rig: Rig, runners: Sequence[ScriptedRunner]) -> tuple[float, float]:
    """(KB a connection, seconds that linking took). All are linked at the same time when the figure is taken."""
    # Not the runner's own context, which reads the system's whole store at each dial: one process dials a thousand.
    tls = ssl.create_default_context(cafile=str(rig.ca)) if rig.ca else None
    crowd = Crowd(parse_address(rig.url, insecure=False), tls)
    async with asyncio.TaskGroup() as group:
        await crowd.join(group, runners[:1])
        before = await _settled_kb(rig.hub.pid)
        begin = time.monotonic()
        await crowd.join(group, runners[1:])
        took_s = time.monotonic() - begin
        after = await _settled_kb(rig.hub.pid)
        linked = crowd.linked
        crowd.leave.set()
    assert linked == len(runners), f"{linked} of {len(runners)} are linked"
    return (after - before) / (len(runners) - 1), took_s


class Crowd:
    """Runners that dial as real ones do, are idle, and say so every ten seconds."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._tls = tls
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
            nonce = make_nonce()
            try:
                link = await dial(self._address, nonce, self._tls)
            except LinkClosedError as error:
                # The hub's admission: a herd is spread, and comes again.
                if _BUSY not in str(error):
                    raise
                await asyncio.sleep(0.5)
                continue
            await _welcomed(link, runner, nonce)
            self.linked += 1
            await self._beat(link, up)
            await link.close("enough")
            return

    async def _beat(self, link: Link, up: asyncio.Event) -> None:
        for number in itertools.count(1):
            await link.send(encode(Heartbeat(number=number, stamp=stamp_now())))
            await _next(link, HeartbeatAck)
            up.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self.leave.wait()
                    return


async def _welcomed(link: Link, runner: ScriptedRunner, nonce: str) -> None:
    """The handshake, an empty inventory, one free slot."""
    await link.send(encode(runner.answer(await _next(link, Challenge), nonce)))
    await _next(link, Welcome)
    await link.send(encode(ResumeEnd(prepared=())))
    await link.send(encode(SlotFree(slot=0, generation=1, stamp=stamp_now())))


async def _next(link: Link, kind: type[T]) -> T:
    """The next message of this kind; others are passed over."""
    while True:
        message = decode_to_runner(str(await link.receive()))
        if isinstance(message, kind):
            return message


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
