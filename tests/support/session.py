"""Sessions and messages for tests of the pure core: real keys, ids by number."""

from datetime import UTC, datetime

from agent.keys import new_key, proofs, public_key
from agent.keys import verify as check
from agent.session import Session
from agent.session_effects import Identity, Joining, Moment
from agent.wire.facts import Fact, ReportFact, make_fact
from agent.wire.messages import Challenge, Held, Hello, Permit, Stamp, Start, Welcome
from agent.wire.proofs import challenge_bytes, hello_bytes
from agent.wire.task import BuildReference, Launch, TaskSnapshot, Work
from agent.wire.words import Kind, ReportStatus

HUB_ID = "hub_1"
NONCE = "ab" * 32
RUNNER_NONCE = "12" * 32
_HUB_PRIVATE = new_key()
_RUNNER_PRIVATE = new_key()
HUB_KEY = public_key(_HUB_PRIVATE)
AT = datetime(2030, 1, 1, tzinfo=UTC)


def exe(number: int) -> str:
    """The id of execution `number`."""
    return f"exe_{number:032x}"


def tsk(number: int) -> str:
    """The id of task `number`."""
    return f"tsk_{number:032x}"


def moment(at: float) -> Moment:
    """A moment `at` seconds from zero by every clock."""
    return Moment(monotonic=at, stamp=Stamp(boot_ns=int(at * 1e9), wall_ns=int(at * 1e9)))


def new_session(join: int = 1, last_epoch: int = 0) -> Session:
    """A session that waits for its challenge; its clock stands at zero."""
    identity = Identity(
        runner_id="rnr_" + "0" * 32,
        hub_id=HUB_ID,
        hub_key=HUB_KEY,
        home_id="f" * 32,
        boot_id="boot",
        fingerprint="os:1",
        origin="https://hub:443",
        agent_version="1",
        platform={},
        slots=1,
    )
    joining = Joining(join=join, last_epoch=last_epoch, commit_position=0, runner_nonce=RUNNER_NONCE)
    return Session(identity, joining, proofs(_RUNNER_PRIVATE), 0.0)


def challenge() -> Challenge:
    """The right hub's challenge."""
    signed = challenge_bytes(hub_id=HUB_ID, runner_nonce=RUNNER_NONCE, nonce=NONCE)
    signature = proofs(_HUB_PRIVATE).sign(signed)
    return Challenge(protocol_min=1, protocol_max=1, hub_id=HUB_ID, key=HUB_KEY, nonce=NONCE, signature=signature)


def welcome(epoch: int = 1) -> Welcome:
    """A hub's welcome."""
    return Welcome(protocol=1, epoch=epoch, ticket="t", runner_name="r", workspace="default")


def verify(hello: Hello) -> bool:
    """Whether a hello is signed as it should be."""
    signed = hello_bytes(
        hub_id=HUB_ID,
        origin=hello.origin,
        nonce=NONCE,
        runner_id=hello.runner_id,
        home_id=hello.home_id,
        join=hello.join,
        last_epoch=hello.last_epoch,
        fingerprint=hello.fingerprint,
    )
    return check(public_key(_RUNNER_PRIVATE), signed, hello.signature)


def welcomed_session(epoch: int = 1) -> Session:
    """A session that was asked for its inventory."""
    session = new_session()
    session.receive(challenge(), 0.0)
    session.receive(welcome(epoch), 0.0)
    return session


def open_session(epoch: int = 1) -> Session:
    """An open session of a runner that held nothing."""
    session = welcomed_session(epoch)
    session.inventory([], [])
    return session


def held(number: int, last_fact: int = 2, output: int = 0) -> Held:
    """An execution in an inventory."""
    return Held(execution_id=exe(number), fence=1, verdict="started", last_fact=last_fact, output_bytes=output)


def fact(number: int, seq: int) -> Fact:
    """A fact of an execution."""
    return make_fact(exe(number), 1, seq, ReportFact(at=AT, status=ReportStatus.SUCCEEDED, message=str(seq)))


def work() -> Work:
    """Any work."""
    build = BuildReference(
        build_id="bld_" + "0" * 32,
        digest="0" * 64,
        bot="b",
        version="1",
        launch=Launch(kind=Kind.EXECUTABLE, entry="bot"),
    )
    task = TaskSnapshot(
        number=1,
        round=1,
        workspace="default",
        automation="b",
        automation_name="B",
        bot="b",
        parameters={},
        priority=5,
        state="running",
        created_at=AT,
    )
    return Work(build=build, task=task)


def start(
    number: int = 1, *, epoch: int = 1, slot: int = 0, generation: int = 1, fence: int = 1, task: int = 1
) -> Start:
    """An order."""
    permit = Permit(epoch=epoch, slot=slot, generation=generation, stamp=Stamp(boot_ns=0, wall_ns=0))
    return Start(execution_id=exe(number), task_id=tsk(task), fence=fence, permit=permit, work=work())
