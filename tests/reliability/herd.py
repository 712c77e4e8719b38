"""A hub is killed and every runner comes back at once: how long that takes, and what the API is like meanwhile (R49).

Real sockets, keys and handshakes, and the back-off of the real runner; one process plays all of them.
"""

import asyncio
import itertools
import random
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
import psutil
import uvloop

from agent.link import Backoff, Link, LinkClosedError, dial, make_nonce, parse_address
from agent.wire.codec import decode_to_runner, encode
from agent.wire.limits import HEARTBEAT_S, SILENCE_S
from agent.wire.messages import Challenge, Heartbeat, HeartbeatAck, ResumeEnd, SlotFree, ToRunner, Welcome
from tests.reliability.part import Options, PartResult, Times
from tests.support.rig import Rig
from tests.support.scripted_runner import ScriptedRunner, stamp_now
from tests.support.waiting import eventually

RUNNERS = 2000
BACK_MAX_S = 90.0
API_P99_MAX_S = 1.0
MEMORY_MAX_MB = 600.0
ADMITTED_MAX = 2 * 200
"""In any second: the rate, and what the bucket had saved up."""
_AT_ONCE = 32
_HANDSHAKES = 500
"""At once: runners have machines of their own, these share a thread. Many times what the hub takes at once."""
_PROBE_S = 0.05
_ATTEMPT_S = 10.0
T = TypeVar("T", bound=ToRunner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What a herd's return was like."""

    back_s: tuple[float, ...]
    """Of each runner: from the hub's readiness to its first answered heartbeat."""
    api_s: tuple[float, ...]
    """Of each call of the API meanwhile."""
    memory_mb: float
    """The hub's largest resident memory."""
    busiest: int
    """Runners that were let in within one second, at most."""
    hub_cpu_s: float
    """What the hub's process used meanwhile."""
    herd_cpu_s: float
    """The same of the one that plays all the runners: less, or it was what was measured."""

    @property
    def rate(self) -> float:
        """Runners that were let in a second, on average."""
        last_s = max(self.back_s, default=0.0)
        return len(self.back_s) / last_s if last_s else 0.0

    @property
    def api_p99_s(self) -> float:
        """What 99 of 100 calls do not exceed."""
        return sorted(self.api_s)[int(len(self.api_s) * 0.99)] if self.api_s else 0.0


def run(options: Options) -> PartResult:
    """One return of 2,000."""
    size = options.count(RUNNERS)
    promise = "R49: a hub's whole herd is back within 90 s, 200 a second, API p99 below 1 s, below 600 MB"
    result = PartResult(name="herd", promise=promise)
    with tempfile.TemporaryDirectory(prefix="herd-", dir=options.folder) as folder:
        _allow_sockets()
        with asyncio.Runner(loop_factory=_quick_loop()) as runner:
            found = runner.run(come_back(Path(folder), size, options.say))
    result.tried["reconnects"] += len(found.back_s)
    for fault in faults(found, size):
        result.fail(f"{size} runners", fault)
    result.times.append(Times(what="a runner of the herd is back", samples=found.back_s, limit_s=BACK_MAX_S))
    result.notes.append(
        f"{len(found.back_s)} of {size} runners back after {max(found.back_s, default=0):.1f} s, "
        f"{found.rate:.0f} a second and at most {found.busiest} in one; "
        f"API p99 {found.api_p99_s:.3f} s over {len(found.api_s)} calls; hub at most {found.memory_mb:.0f} MB; "
        f"CPU of the hub {found.hub_cpu_s:.1f} s, of the herd {found.herd_cpu_s:.1f} s"
    )
    options.say(result.notes[-1])
    return result


def faults(found: Return, size: int) -> list[str]:
    """What is not as R49 asks."""
    said = []
    if len(found.back_s) < size:
        said.append(f"only {len(found.back_s)} of {size} are back")
    if found.api_p99_s > API_P99_MAX_S:
        said.append(f"API p99 {found.api_p99_s:.2f} s")
    if found.memory_mb > MEMORY_MAX_MB:
        said.append(f"the hub took {found.memory_mb:.0f} MB")
    if found.busiest > ADMITTED_MAX:
        said.append(f"{found.busiest} let in within one second")
    return said


def _allow_sockets() -> None:
    """As many descriptors as the system lets this process, and the hub that it starts, have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _quick_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The hub is what is measured: one thread plays all the runners, and shall not be slower than it."""
    return uvloop.new_event_loop


async def come_back(folder: Path, size: int, say: Callable[[str], None] = print) -> Return:
    """Link so many runners, kill the hub, start it, and watch until all are back."""
    async with Rig(folder) as rig:
        herd = await _enrolled(rig, size)
        say(f"herd: {size} runners are enrolled")
        async with _all_alive(herd) as group:
            await _until_back(herd, 0.0, say)
            assert all(one.linked_at for one in herd), f"{sum(not one.linked_at for one in herd)} are not linked"
            await rig.hub.kill()
            killed_at = time.monotonic()
            await rig.start_hub()
            ready_at = time.monotonic()
            say(f"herd: the hub was killed and is ready again after {ready_at - killed_at:.1f} s")
            watch = _Watch(rig)
            watching = group.create_task(watch.run())
            await _until_back(herd, killed_at, say)
            watching.cancel()
        # Some are back before the hub has said that it is ready.
        return watch.seen(sorted(max(0.0, one.linked_at - ready_at) for one in herd if one.linked_at > killed_at))


@asynccontextmanager
async def _all_alive(herd: list["_Member"]) -> AsyncIterator[asyncio.TaskGroup]:
    """Each lives while the block runs."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.live()) for one in herd]
        try:
            yield group
        finally:
            for task in tasks:
                task.cancel()


async def _until_back(herd: list["_Member"], since: float, say: Callable[[str], None]) -> None:
    """Return when all are, or when no other one came for longer than any of them may wait."""
    began, known = time.monotonic(), -1
    while (back := sum(one.linked_at > since for one in herd)) > known:
        known = back
        with suppress(AssertionError):
            grown = partial(_is_more, herd, since, max(known + 1, min(len(herd), known + len(herd) // 10)))
            await eventually(grown, within=BACK_MAX_S)
            say(f"herd: {len(herd) - _left(herd, since)} linked after {time.monotonic() - began:.1f} s")
        if not _left(herd, since):
            return


def _is_more(herd: list["_Member"], since: float, than: int) -> bool:
    return len(herd) - _left(herd, since) >= than


def _left(herd: list["_Member"], since: float) -> int:
    return sum(one.linked_at <= since for one in herd)


class _Watch:
    """Asks the API as a person's page does, and looks at the hub's memory."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._api_s: list[float] = []
        self._memory_mb = 0.0
        self._hub = psutil.Process(rig.hub.pid)
        self._before = (_cpu_s(self._hub), time.process_time())

    async def run(self) -> None:
        """Look until cancelled."""
        async with self._rig.client(Authorization=f"Bearer {self._rig.env['BOTYARD_TOKEN']}") as http:
            while True:
                began = time.monotonic()
                async with http.get(f"{self._rig.url}/api/v1/tasks?limit=10") as answer:
                    await answer.read()
                    assert answer.status == 200, answer.status
                self._api_s.append(time.monotonic() - began)
                self._memory_mb = max(self._memory_mb, self._hub.memory_info().rss / 1e6)
                await asyncio.sleep(_PROBE_S)

    def seen(self, back_s: list[float]) -> Return:
        """All that was measured."""
        busiest = max((sum(at <= one < at + 1 for one in back_s) for at in back_s), default=0)
        return Return(
            back_s=tuple(back_s),
            api_s=tuple(self._api_s),
            memory_mb=self._memory_mb,
            busiest=busiest,
            hub_cpu_s=_cpu_s(self._hub) - self._before[0],
            herd_cpu_s=time.process_time() - self._before[1],
        )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


class _Member:
    """One runner that is linked, or on its way."""

    def __init__(self, runner: ScriptedRunner, turns: asyncio.Semaphore) -> None:
        self._runner = runner
        self._turns = turns
        self._address = parse_address(runner.url, insecure=False)
        self.linked_at = 0.0
        """When its newest link had its first heartbeat answered."""

    async def live(self) -> None:
        """Be linked, as `Uplink.run` is."""
        backoff = Backoff(random.Random(self._runner.id).uniform)
        while True:
            began, hint_s = time.monotonic(), None
            try:
                await self._link()
            except LinkClosedError as error:
                hint_s = error.retry_after_s
            except (OSError, TimeoutError):
                pass
            now = time.monotonic()
            await asyncio.sleep(backoff.delay_s(now, connected_for_s=now - began, hint_s=hint_s))

    async def _link(self) -> None:
        async with self._turns:
            link = await self._joined()
        try:
            for number in itertools.count(1):
                await link.send(encode(Heartbeat(number=number, stamp=stamp_now())))
                async with asyncio.timeout(SILENCE_S):
                    await _next(link, HeartbeatAck)
                if number == 1:
                    self.linked_at = time.monotonic()
                await asyncio.sleep(HEARTBEAT_S)
        finally:
            await link.close("over")

    async def _joined(self) -> Link:
        """A link whose session is open."""
        nonce = make_nonce()
        link = await dial(self._address, nonce, None)
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                challenge = await _next(link, Challenge)
                await link.send(encode(self._runner.answer(challenge, nonce)))
                self._runner.last_epoch = (await _next(link, Welcome)).epoch
                await link.send(encode(ResumeEnd(prepared=())))
                await link.send(encode(SlotFree(slot=0, generation=1, stamp=stamp_now())))
        except BaseException:
            await link.close("over")
            raise
        return link


async def _next(link: Link, kind: type[T]) -> T:
    """The next message of this kind; others are passed over."""
    while True:
        message = decode_to_runner(str(await link.receive()))
        if isinstance(message, kind):
            return message


async def _enrolled(rig: Rig, size: int) -> list[_Member]:
    """Runners with keys of their own, each by a token of its own."""
    members: list[_Member] = []
    turns = asyncio.Semaphore(_HANDSHAKES)
    numbers = iter(range(size))

    async def enrol(http: aiohttp.ClientSession) -> None:
        for number in numbers:
            async with http.post(f"{rig.url}/api/v1/enrolment-tokens", json={}) as answer:
                token = (await answer.json())["token"]
            runner = ScriptedRunner(url=rig.url, client=http)
            status, said = await runner.enrol(token, f"vm{number}")
            assert status == 201, said
            members.append(_Member(runner, turns))

    async with rig.client(Authorization=f"Bearer {rig.env['BOTYARD_TOKEN']}") as http, asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(enrol(http))
    return members
