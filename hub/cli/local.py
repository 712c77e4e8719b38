"""A hub and one runner on this machine, for trying and for one-machine use: what `up` and `demo` stand on.

start the hub > wait until it is ready > enrol the runner, once > start it > wait for its link
… > end the runner with its bots > end the hub
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.ports.files import SystemDisk
from hub.cli.children import Child, agent_command, hub_command, run_to_end
from hub.cli.client import Client
from hub.cli.failing import Exit, Failure, Refusal, Unreached
from hub.cli.profile import Profile

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 60.0
"""The kill ladder of the bots, and some."""
RUNNER_NAME = "local"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the pair speaks https with each other."""

    cert: Path
    key: Path
    ca: Path | None
    name: str
    """The name of this machine's loopback that the certificate is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the pair lives."""

    data: Path
    port: int
    slots: int | None = None
    tls: Tls | None = None

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"https://{self.tls.name}:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path | None:
        """The private authority to trust, if there is one."""
        return self.tls.ca if self.tls else None

    @property
    def hub_options(self) -> tuple[str, ...]:
        """The certificate, as `hub serve` wants to hear of it."""
        return ("--tls-cert", str(self.tls.cert), "--tls-key", str(self.tls.key)) if self.tls else ()

    @property
    def home(self) -> Path:
        """The runner's folder."""
        return self.data / "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A running hub with its runner linked."""

    hub: Child
    runner: Child
    client: Client

    async def broken(self) -> Failure:
        """Wait until one of the two has ended by itself; what to tell the person."""
        async with asyncio.TaskGroup() as group:
            ends = {group.create_task(child.wait(), name=child.name): child for child in (self.hub, self.runner)}
            done, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
        return _died(ends[done.pop()])


@contextlib.asynccontextmanager
async def running_pair(place: Place, tell: Callable[[str], None]) -> AsyncIterator[Pair]:
    """The pair, until the block ends; then its bots are ended too. Raises Failure when one of them does not start."""
    await _free_port(place)
    SystemDisk().make_folder(place.data)
    serve = ("hub", "serve", "--data", str(place.data / "hub"), "--port", str(place.port))
    hub = Child("hub", hub_command(*serve, *place.hub_options), place.data / "hub.log")
    slots = ("--slots", str(place.slots)) if place.slots else ()
    runner = Child("runner", agent_command("run", "--home", str(place.home), *slots), place.data / "runner.log")
    try:
        tell(f"starting a hub at {place.url}")
        await hub.start()
        client = await _ready_client(place, hub)
        await _enrol(place, client)
        tell("starting a runner")
        await runner.start()
        await _until(lambda: _is_linked(client), runner, "the runner did not connect")
        yield Pair(hub=hub, runner=runner, client=client)
    finally:
        await _end(place, hub, runner)


async def _free_port(place: Place) -> None:
    """Raises Failure when somebody listens there: what answers to our key could be another `up` on the same folder."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", place.port)
    except OSError:
        return
    writer.close()
    raise Failure(
        f"something listens on port {place.port} already: `botyard up` or a hub that runs, or another program. "
        "End it, or give this one --port and --data of its own."
    )


async def _ready_client(place: Place, hub: Child) -> Client:
    """A client with the admin's key, once the hub answers."""
    file = place.data / "hub" / "admin-token"

    def look() -> Client | None:
        token = SystemDisk().read(file)
        if token is None:
            return None
        client = Client(Profile(url=place.url, token=token.decode().strip(), ca=place.ca))
        client.get("/me")
        return client

    return await _until(look, hub, "the hub did not become ready")


async def _enrol(place: Place, client: Client) -> None:
    """Make the local runner a runner, once, and again when it was revoked: who starts `up` wants one here.

    Its token travels in a file that only this user reads.
    """
    is_enrolled = (place.home / "identity.json").exists()
    if is_enrolled and not await asyncio.to_thread(_is_revoked, client):
        return
    made = await asyncio.to_thread(client.post, "/enrolment-tokens", {"name": RUNNER_NAME})
    file = place.data / "enrolment-token"
    SystemDisk().write_durable(file, made["token"].encode())
    try:
        slots = ("--slots", str(place.slots)) if place.slots else ()
        trust = ("--ca", str(place.ca)) if place.ca else ()
        where = (place.url, "--token", str(file), "--home", str(place.home))
        again = ("--again",) if is_enrolled else ()
        enroll = agent_command("enroll", *where, *slots, *trust, *again)
        code, printed = await run_to_end(enroll, READY_WITHIN_S)
    finally:
        file.unlink(missing_ok=True)
    if code != 0:
        last = (printed.splitlines() or ["it said nothing"])[-1].removeprefix("botyard-agent: ")
        raise Failure(f"the runner could not be enrolled: {last}")


def _is_revoked(client: Client) -> bool:
    return any(one["name"] == RUNNER_NAME and one["state"] == "revoked" for one in client.get("/runners")["items"])


def _is_linked(client: Client) -> bool | None:
    found = client.get("/runners")["items"]
    return True if any(one["name"] == RUNNER_NAME and one["connected"] for one in found) else None


async def _until(look: Callable[[], T | None], child: Child, otherwise: str) -> T:
    """Ask until there is an answer. Raises Failure when the child ends, or after `READY_WITHIN_S`."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            return await _answer(look, child)
    except TimeoutError:
        raise Failure(f"{otherwise} within {READY_WITHIN_S:.0f} s. Its log: {child.log}") from None


async def _answer(look: Callable[[], T | None], child: Child) -> T:
    while (found := await _asked(look)) is None:
        if child.exit_code is not None:
            raise _died(child)
        await asyncio.sleep(0.1)
    return found


async def _asked(look: Callable[[], T | None]) -> T | None:
    """The answer; None while the hub is not there, or somebody else answers in its place."""
    try:
        return await asyncio.to_thread(look)
    except (Unreached, Refusal):
        return None


async def _end(place: Place, hub: Child, runner: Child) -> None:
    """End the bots, the runner, the hub, in this order, so that the hub hears how the bots ended."""
    # Only a runner of our own: a second `up` that failed on this folder must not end the bots of the first.
    if runner.is_running and (place.home / "identity.json").exists():
        with contextlib.suppress(TimeoutError):
            await run_to_end(agent_command("stop", "--now", "--home", str(place.home)), STOP_WITHIN_S)
    await runner.end()
    await hub.end()


def _died(child: Child) -> Failure:
    return Failure(
        f"the {child.name} ended by itself with {child.exit_code}. Its log, {child.log}, ends so:",
        Exit.FAILED,
        (child.tail(),),
    )
