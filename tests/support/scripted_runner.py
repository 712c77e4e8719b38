"""A runner that does what a test says: it speaks the wire over a real socket with a real key, and runs nothing."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.wire.codec import Chunk, Stream, decode_to_runner, encode, encode_output
from agent.wire.enrolment import ENROL_PATH, LINK_PATH, NONCE_HEADER, Enrolled
from agent.wire.facts import FactBody, make_fact
from agent.wire.messages import (
    Challenge,
    Held,
    Hello,
    Rejected,
    ResumeEnd,
    SlotFree,
    Stamp,
    Start,
    ToHub,
    ToRunner,
    Welcome,
)
from agent.wire.proofs import challenge_bytes, hello_bytes
from tests.support.waiting import seconds

T = TypeVar("T", bound=ToRunner)


def stamp_now() -> Stamp:
    """A stamp of this machine's clocks."""
    return Stamp(boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), wall_ns=time.time_ns())


@dataclass(slots=True, kw_only=True)
class ScriptedRunner:
    """An enrolled runner; `connect` opens one session after another."""

    url: str
    client: aiohttp.ClientSession
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    home_id: str = field(default_factory=lambda: secrets.token_hex(16))
    enrolled: Enrolled | None = None
    join: int = 0
    last_epoch: int = 0
    last_hello: Hello | None = None

    @property
    def id(self) -> str:
        """Its id at the hub."""
        assert self.enrolled is not None
        return self.enrolled.runner_id

    async def enrol(self, token: str, name: str = "vm1", **members: Any) -> tuple[int, dict[str, Any]]:
        """(status, answer) of the enrolment."""
        body: dict[str, Any] = {
            "name": name,
            "key": self.private.public_key().public_bytes_raw().hex(),
            "home_id": self.home_id,
        }
        body |= {"fingerprint": "machine", "slots": 1} | members
        headers = {"Authorization": f"Bearer {token}"}
        async with self.client.post(self.url + ENROL_PATH, json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            if response.status == 201:
                self.enrolled = Enrolled.model_validate(answer)
            return response.status, answer

    @asynccontextmanager
    async def connect(
        self, *held: Held, prepared: Iterable[str] = (), **hello: Any
    ) -> AsyncIterator["ScriptedSession"]:
        """A session whose inventory is told; it is closed when the block ends."""
        async with self.dial(**hello) as session:
            for one in held:
                await session.send(one)
            await session.send(ResumeEnd(prepared=tuple(prepared)))
            yield session

    @asynccontextmanager
    async def dial(self, **hello: Any) -> AsyncIterator["ScriptedSession"]:
        """A welcomed session, its inventory not told yet."""
        async with self.knock(**hello) as (socket, answer):
            assert isinstance(answer, Welcome), answer
            assert answer.epoch > self.last_epoch
            self.last_epoch = answer.epoch
            yield ScriptedSession(socket=socket, welcome=answer)

    @asynccontextmanager
    async def knock(self, **hello: Any) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, ToRunner]]:
        """The socket, and what the hub answers to the hello; its members can be forged."""
        async with self.challenged() as (socket, challenge):
            self.last_hello = self._hello(challenge, hello)
            await socket.send_str(encode(self.last_hello))
            answer = decode_to_runner(await socket.receive_str(timeout=seconds(5)))
            assert isinstance(answer, Welcome | Rejected)
            yield socket, answer

    @asynccontextmanager
    async def challenged(self) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, Challenge]]:
        """The socket and the hub's proven challenge; nothing was said yet."""
        nonce = secrets.token_hex(32)
        async with self.client.ws_connect(
            self.url + LINK_PATH, headers={NONCE_HEADER: nonce}, compress=0, max_msg_size=2**21
        ) as socket:
            challenge = decode_to_runner(await socket.receive_str(timeout=seconds(5)))
            assert isinstance(challenge, Challenge)
            self._check(challenge, nonce)
            yield socket, challenge

    def answer(self, challenge: Challenge, nonce: str) -> Hello:
        """The hello to a proven challenge, for a link that this runner did not dial itself."""
        self._check(challenge, nonce)
        return self._hello(challenge, {})

    def _check(self, challenge: Challenge, nonce: str) -> None:
        """S2, S6: the hub is the one that enrolment pinned, and it is alive now."""
        assert self.enrolled is not None
        assert (self.enrolled.hub_id, self.enrolled.hub_key) == (challenge.hub_id, challenge.key)
        proof = challenge_bytes(hub_id=challenge.hub_id, runner_nonce=nonce, nonce=challenge.nonce)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(challenge.key))
        public.verify(bytes.fromhex(challenge.signature), proof)

    def _hello(self, challenge: Challenge, forged: dict[str, Any]) -> Hello:
        if "join" not in forged:
            self.join += 1
        signed: dict[str, Any] = {
            "origin": self.url,
            "runner_id": self.id,
            "home_id": self.home_id,
            "join": self.join,
            "last_epoch": self.last_epoch,
            "fingerprint": "machine",
        }
        signed |= {name: value for name, value in forged.items() if name in signed}
        proof = hello_bytes(hub_id=challenge.hub_id, nonce=challenge.nonce, **signed)
        rest: dict[str, Any] = {"protocol_min": 1, "protocol_max": 1, "boot_id": "boot", "agent_version": "0"}
        rest |= {"slots": 1, "signature": self.private.sign(proof).hex()}
        return Hello(**{**rest, **signed, **forged})


@dataclass(slots=True, kw_only=True)
class ScriptedSession:
    """One open session."""

    socket: aiohttp.ClientWebSocketResponse
    welcome: Welcome
    seen: list[ToRunner] = field(default_factory=list)

    async def send(self, message: ToHub) -> None:
        """Send a message."""
        await self.socket.send_str(encode(message))

    async def send_output(self, execution_id: str, start: int, data: bytes) -> None:
        """Send one frame of output."""
        chunk = Chunk(stream=Stream.STDOUT, time_ms=1, data=data)
        await self.socket.send_bytes(encode_output(execution_id, start, [chunk]))

    async def offer(self, slot: int = 0, generation: int = 1) -> None:
        """Say that a slot is free."""
        await self.send(SlotFree(slot=slot, generation=generation, stamp=stamp_now()))

    async def say(self, start: Start, *bodies: FactBody, first: int = 1) -> None:
        """Send facts of an execution, numbered from `first`."""
        for seq, body in enumerate(bodies, start=first):
            await self.send(make_fact(start.execution_id, start.fence, seq, body))

    async def next(self, kind: type[T], within: float = 10.0) -> T:
        """The next message of a kind; others are kept in `seen`."""
        async with asyncio.timeout(seconds(within)):
            while True:
                message = decode_to_runner(await self.socket.receive_str())
                self.seen.append(message)
                if isinstance(message, kind):
                    return message

    async def next_of(self, *kinds: type[ToRunner], within: float = 10.0) -> ToRunner:
        """The next message of any of these kinds; others are kept in `seen`."""
        async with asyncio.timeout(seconds(within)):
            while True:
                message = decode_to_runner(await self.socket.receive_str())
                self.seen.append(message)
                if isinstance(message, kinds):
                    return message

    async def end(self, within: float = 10.0) -> list[ToRunner]:
        """Everything until the hub closes the socket."""
        async with asyncio.timeout(seconds(within)):
            async for received in self.socket:
                self.seen.append(decode_to_runner(received.data))
        return self.seen
