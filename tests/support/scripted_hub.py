"""A hub that tests write by hand: real sockets, real keys, the real wire, no database.

It keeps what a runner tells (facts, output, credits, artifacts), answers as a hub must (acknowledges after keeping,
resumes from what it has), serves builds, and gives out orders when a test says so. Its memory outlives its sessions; a
test may cut the link (`drop`), hold acknowledgements back (`acks = False`), or say anything else by `send`.
"""

import asyncio
import hashlib
import itertools
import ssl
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web

from agent.keys import new_key, proofs, public_key
from agent.wire.builds import Manifest, ManifestFile
from agent.wire.codec import OutputFrame, decode_output, decode_to_hub, encode
from agent.wire.condition import Condition
from agent.wire.enrolment import ENROL_PATH, LINK_PATH, NONCE_HEADER, Enrolled, EnrolmentRequest
from agent.wire.facts import Fact
from agent.wire.limits import FRAME_MAX_BYTES, HEARTBEAT_S
from agent.wire.messages import (
    Challenge,
    Desired,
    FactAck,
    Forget,
    Heartbeat,
    HeartbeatAck,
    Held,
    Hello,
    OutputAck,
    OutputGap,
    OutputRewind,
    Permit,
    Preparation,
    Progress,
    Query,
    Rejected,
    Resumed,
    ResumeEnd,
    SlotBusy,
    SlotFree,
    Stamp,
    Start,
    Stop,
    StopOrder,
    Welcome,
)
from agent.wire.proofs import challenge_bytes, hello_bytes
from agent.wire.task import BuildReference, Launch, Limits, TaskSnapshot, WireModel, Work
from agent.wire.uploads import ARTIFACT_ROUTE
from agent.wire.versions import PROTOCOL_MAX, PROTOCOL_MIN
from agent.wire.words import Kind, OnDisconnect, StopCause
from tests.support.heard import Heard

HUB_ID = "hub_scripted"
_ids = itertools.count(1)


def new_id(prefix: str) -> str:
    """An id that no other of this test process has."""
    return f"{prefix}_{next(_ids):032x}"


@dataclass
class ScriptedHub:
    """Start it with `serve`, use it, `close` it."""

    acks: bool = True
    """Whether facts and output are acknowledged."""
    heard: dict[str, Heard] = field(default_factory=lambda: defaultdict(Heard))
    resumes: list[list[Held]] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    credits: dict[int, SlotFree] = field(default_factory=dict)
    preparations: dict[str, Preparation] = field(default_factory=dict)
    prepared: list[tuple[str, ...]] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    stops: dict[str, StopOrder] = field(default_factory=dict)
    """What a resume answers with `stop`."""
    desired: list[BuildReference] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    enrolments: list[EnrolmentRequest] = field(default_factory=list)
    enrol_status: int = 200
    epoch: int = 0
    heartbeat_s: float = HEARTBEAT_S
    rejects: Rejected | None = None
    """What a hello is answered with, in place of a welcome."""

    def __post_init__(self) -> None:
        self.private_key = new_key()
        self.key = public_key(self.private_key)
        self.runner_id = new_id("rnr")
        self.runner_key = ""
        self.problems: list[str] = []
        self.socket: web.WebSocketResponse | None = None
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[str, bytes] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- life --------------------------------------------------------------------------------------------------------

    async def serve(self, port: int = 0, tls: ssl.SSLContext | None = None) -> str:
        """Listen on loopback; return the address."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get(LINK_PATH, self._link)
        app.router.add_post(ENROL_PATH, self._enrol)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/runner/v1/builds/{digest}/manifest", self._manifest)
        app.router.add_get("/runner/v1/blobs/{sha256}", self._blob)
        app.router.add_route("HEAD", ARTIFACT_ROUTE, self._artifact_there)
        app.router.add_put(ARTIFACT_ROUTE, self._artifact)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port or self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    async def close(self) -> None:
        """Stop listening; what it heard stays."""
        await self.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def drop(self) -> None:
        """Cut the link, without a word."""
        if self.socket is not None and self.socket._req is not None and self.socket._req.transport is not None:
            self.socket._req.transport.abort()
        self.socket = None
        self.credits.clear()

    @property
    def is_linked(self) -> bool:
        """Whether a session is open and resumed."""
        return self.socket is not None

    # --- what tests say ----------------------------------------------------------------------------------------------

    async def send(self, message: WireModel) -> None:
        """Say something in the open session."""
        assert self.socket is not None
        await self.socket.send_str(encode(message))

    def add_build(self, files: Mapping[str, bytes], entry: str, kind: Kind = Kind.EXECUTABLE) -> BuildReference:
        """A build that the hub serves and wants prepared."""
        entries = []
        for path, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            self._blobs[digest] = data
            entries.append(ManifestFile(path=path, sha256=digest, size=len(data), executable=True))
        manifest = Manifest(files=tuple(sorted(entries, key=lambda one: one.path)))
        self._manifests[manifest.digest()] = manifest.canonical()
        reference = BuildReference(
            build_id=new_id("bld"),
            digest=manifest.digest(),
            bot="bot",
            version="1",
            launch=Launch(kind=kind, entry=entry),
        )
        self.desired.append(reference)
        return reference

    async def want(self) -> None:
        """Tell an open session what is wanted by now."""
        await self.send(Desired(builds=tuple(self.desired)))

    def order(self, build: BuildReference, credit: SlotFree, **changes: Any) -> Start:
        """A `Start` on this credit; `changes` are fields of `Work`, and `fence`, `task_id`, `age_s`."""
        fence = changes.pop("fence", 1)
        task_id = changes.pop("task_id", None) or new_id("tsk")
        age_ns = int(changes.pop("age_s", 0) * 1e9)
        stamp = Stamp(boot_ns=credit.stamp.boot_ns - age_ns, wall_ns=credit.stamp.wall_ns - age_ns)
        task = TaskSnapshot(
            number=1,
            round=1,
            workspace="default",
            automation="bot",
            automation_name="Bot",
            bot="bot",
            parameters=changes.pop("parameters", {}),
            priority=5,
            state="running",
            created_at=datetime.now(UTC),
        )
        work = Work(build=build, task=task, **{"limits": Limits(), "on_disconnect": OnDisconnect.KEEP, **changes})
        permit = Permit(epoch=self.epoch, slot=credit.slot, generation=credit.generation, stamp=stamp)
        return Start(execution_id=new_id("exe"), task_id=task_id, fence=fence, permit=permit, work=work)

    async def start(self, build: BuildReference, slot: int = 0, **changes: Any) -> Start:
        """Use up the slot's credit for an order."""
        order = self.order(build, self.credits.pop(slot), **changes)
        await self.send(order)
        return order

    async def stop(self, order: Start, cause: StopCause = StopCause.CANCEL) -> None:
        """Stop an execution."""
        stop = StopOrder(cause=cause, by="a test")
        await self.send(Stop(execution_id=order.execution_id, task_id=order.task_id, fence=order.fence, order=stop))

    async def query(self, execution_id: str, task_id: str, fence: int = 1) -> None:
        """Ask what became of an order."""
        await self.send(Query(execution_id=execution_id, task_id=task_id, fence=fence))

    async def forget(self, order: Start) -> None:
        """The hub has all of it."""
        self.forgotten.add(order.execution_id)
        await self.send(Forget(execution_id=order.execution_id, fence=order.fence))

    # --- the link ----------------------------------------------------------------------------------------------------

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=FRAME_MAX_BYTES)
        await socket.prepare(request)
        try:
            await self._session(socket, request.headers[NONCE_HEADER])
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if self.socket is socket:
                self.socket = None
                self.credits.clear()
        return socket

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _session(self, socket: web.WebSocketResponse, runner_nonce: str) -> None:
        nonce = "ab" * 32
        signed = challenge_bytes(hub_id=HUB_ID, runner_nonce=runner_nonce, nonce=nonce)
        challenge = Challenge(
            protocol_min=PROTOCOL_MIN,
            protocol_max=PROTOCOL_MAX,
            hub_id=HUB_ID,
            key=self.key,
            nonce=nonce,
            signature=proofs(self.private_key).sign(signed),
        )
        await socket.send_str(encode(challenge))
        hello = (await socket.receive()).json()
        self._check_hello(Hello.model_validate(hello), nonce)
        if self.rejects is not None:
            await socket.send_str(encode(self.rejects))
            return
        self.epoch += 1
        welcome = Welcome(
            protocol=1,
            epoch=self.epoch,
            ticket=f"ticket-{self.epoch}",
            runner_name="r",
            workspace="default",
            heartbeat_s=self.heartbeat_s,
        )
        await socket.send_str(encode(welcome))
        held: list[Held] = []
        async for frame in socket:
            if frame.type is WSMsgType.BINARY:
                await self._output(socket, decode_output(frame.data))
            elif frame.type is WSMsgType.TEXT:
                await self._message(socket, decode_to_hub(frame.data), held)

    def _check_hello(self, hello: Hello, nonce: str) -> None:
        signed = hello_bytes(
            hub_id=HUB_ID,
            origin=hello.origin,
            nonce=nonce,
            runner_id=hello.runner_id,
            home_id=hello.home_id,
            join=hello.join,
            last_epoch=hello.last_epoch,
            fingerprint=hello.fingerprint,
        )
        if self.runner_key and not proofs(self.private_key).verify(self.runner_key, signed, hello.signature):
            self.problems.append("hello is not signed by the runner's key")
        if self.hellos and hello.join <= self.hellos[-1].join:
            self.problems.append(f"join counter {hello.join} after {self.hellos[-1].join}")
        self.hellos.append(hello)

    async def _message(self, socket: web.WebSocketResponse, message: Any, held: list[Held]) -> None:
        match message:
            case Held():
                held.append(message)
            case ResumeEnd():
                await self._resume(socket, held, message)
            case Fact():
                await self._fact(socket, message)
            case Heartbeat():
                self.heartbeats.append(message)
                await socket.send_str(encode(HeartbeatAck(number=message.number, commit_position=self.epoch)))
            case SlotFree():
                self.credits[message.slot] = message
            case SlotBusy():
                self.credits.pop(message.slot, None)
            case Preparation():
                self.preparations[message.build_id] = message
            case _:
                self._note(message)

    def _note(self, message: Any) -> None:
        match message:
            case Condition():
                self.conditions.append(message)
            case Progress():
                self.heard[message.execution_id].progress.append(message)
            case OutputGap():
                self.heard[message.execution_id].gaps.append(message.gap)

    async def _resume(self, socket: web.WebSocketResponse, held: list[Held], end: ResumeEnd) -> None:
        self.resumes.append(list(held))
        self.prepared.append(end.prepared)
        self.socket = socket
        for one in held:
            heard = self.heard[one.execution_id]
            have = len(heard.output)
            stop = self.stops.get(one.execution_id)
            action = "forget" if one.execution_id in self.forgotten else "stop" if stop else "continue"
            resumed = Resumed(
                execution_id=one.execution_id,
                fence=one.fence,
                action=action,  # type: ignore[arg-type] # one of its words
                fact=max(heard.facts, default=0),
                have=have,
                stop=stop,
            )
            await socket.send_str(encode(resumed))
        await socket.send_str(encode(Desired(builds=tuple(self.desired))))

    async def _fact(self, socket: web.WebSocketResponse, fact: Fact) -> None:
        heard = self.heard[fact.execution_id]
        known = heard.facts.get(fact.seq)
        if known is not None and known != fact:
            self.problems.append(f"fact {fact.seq} of {fact.execution_id} has changed")
        if not fact.is_intact() or fact.seq > max(heard.facts, default=0) + 1:
            self.problems.append(f"fact {fact.seq} of {fact.execution_id} is damaged or out of order")
        heard.facts[fact.seq] = fact
        if self.acks:
            ack = FactAck(execution_id=fact.execution_id, fence=fact.fence, seq=fact.seq)
            await socket.send_str(encode(ack))

    async def _output(self, socket: web.WebSocketResponse, frame: OutputFrame) -> None:
        heard = self.heard[frame.execution_id]
        have = len(heard.output)
        if frame.start > have:
            await socket.send_str(encode(OutputRewind(execution_id=frame.execution_id, start=have)))
            return
        data = b"".join(chunk.data for chunk in frame.chunks)
        heard.output += data[have - frame.start :]
        if self.acks:
            have = len(heard.output)
            await socket.send_str(encode(OutputAck(execution_id=frame.execution_id, have=have, safe=have)))

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def _enrol(self, request: web.Request) -> web.Response:
        if self.enrol_status != 200:
            return web.json_response({"detail": "no"}, status=self.enrol_status)
        wish = EnrolmentRequest.model_validate(await request.json())
        self.enrolments.append(wish)
        self.runner_key = wish.key
        answer = Enrolled(
            runner_id=self.runner_id,
            hub_id=HUB_ID,
            hub_key=self.key,
            workspace="default",
            name=wish.name,
            labels=wish.labels,
        )
        return web.Response(text=answer.model_dump_json(), content_type="application/json")

    def _may(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer ticket-{self.epoch}"

    async def _manifest(self, request: web.Request) -> web.Response:
        data = self._manifests.get(request.match_info["digest"])
        return web.Response(body=data) if data and self._may(request) else web.Response(status=404)

    async def _blob(self, request: web.Request) -> web.Response:
        data = self._blobs.get(request.match_info["sha256"])
        return web.Response(body=data) if data is not None and self._may(request) else web.Response(status=404)

    async def _artifact_there(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["sha256"] in self.artifacts else 404)

    async def _artifact(self, request: web.Request) -> web.Response:
        data = await request.read()
        digest = request.match_info["sha256"]
        if not self._may(request) or hashlib.sha256(data).hexdigest() != digest:
            return web.Response(status=422)
        self.artifacts[digest] = data
        return web.Response(status=201)
