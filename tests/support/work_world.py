"""The hub's services on a real store, with a played runner at the other end of every effect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from agent.wire.facts import (
    ExitFact,
    Fact,
    FactBody,
    FinalFact,
    ReportFact,
    StartedFact,
    StopFact,
    VoidFact,
    make_fact,
)
from agent.wire.messages import Held, Hello, Resumed, Stamp, Start, ToRunner
from agent.wire.task import Launch, Totals
from agent.wire.words import ExitKind, Kind, ReportPolicy, ReportStatus, StopCause, VoidReason
from hub.domain.access import Caller, Role
from hub.domain.automation import Definition
from hub.domain.credits import CreditBook
from hub.domain.output import StoredOutput
from hub.domain.task import TaskView
from hub.services import automations, dispatch, facts, resume, runners, tasks
from hub.services.effects import ByeReason
from hub.services.live import Unclosed
from hub.services.loops import on_doubtful_grant, on_failed_grant
from hub.services.perform import Performer
from hub.services.resume import Inventory
from hub.services.signals import Signals
from hub.services.subject import SessionKey
from hub.services.tasks import NewTask
from hub.storage import tables
from hub.storage.opening import Options, open_store
from hub.storage.store import Store
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock

WORKSPACE = "wsp_" + "a" * 32
RUNNER = "rnr_" + "1" * 32
OTHER_RUNNER = "rnr_" + "2" * 32
BUILD = "bld_" + "b" * 32
DIGEST = "d" * 64
HOME = "0" * 32
HUB_ID = "hub_" + "e" * 32
EMPTY_SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WHOLE = StoredOutput(bytes=0, lines=0, sha256=EMPTY_SHA)
ADMIN = Caller(workspace_id=WORKSPACE, workspace="acme", token_id="key_1", name="ana", role=Role.ADMIN)


@dataclass(kw_only=True)
class PlayedSession:
    """One runner's open session: notes what it is sent."""

    runner_id: str
    epoch: int
    workspace_id: str = WORKSPACE
    workspace: str = "acme"
    sent: list[ToRunner] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)

    def send(self, message: ToRunner) -> None:
        """Note it."""
        self.sent.append(message)

    def close(self, reason: ByeReason, message: str = "") -> None:
        """Note it."""
        self.closed.append((reason, message))


class PlayedSessions:
    """All played sessions, by runner."""

    def __init__(self) -> None:
        self.by_runner: dict[str, PlayedSession] = {}
        self.silence_s: dict[str, float] = {}

    def find(self, runner_id: str, epoch: int | None = None) -> PlayedSession | None:
        """The runner's session of that epoch."""
        session = self.by_runner.get(runner_id)
        return session if session and epoch in {None, session.epoch} else None

    def runners_of(self, workspace_id: str) -> list[str]:
        """All of them."""
        return list(self.by_runner)

    def by_ticket(self, ticket: str) -> PlayedSession | None:
        """Nobody calls by HTTP here."""
        return None

    def note_unclosed(self, ended: Unclosed) -> None:
        """Nothing fails to be written here."""
        raise AssertionError(ended)

    def take_unclosed(self) -> Unclosed | None:
        """Every end was written."""
        return None

    def silent_s(self, runner_id: str) -> float:
        """What the test says."""
        return self.silence_s.get(runner_id, 0.0)


@dataclass(kw_only=True)
class WorkWorld:
    """What a test of the services works with."""

    store: Store
    clock: FakeClock
    book: CreditBook
    sessions: PlayedSessions
    signals: Signals
    joins: dict[str, int] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)

    # --- runners ---

    async def connect(
        self, runner_id: str = RUNNER, *held: Held, prepared: tuple[str, ...] = (BUILD,), **hello: Any
    ) -> PlayedSession:
        """A runner's new session, its inventory answered."""
        session, said = await self.open(runner_id, **hello)
        inventory = Inventory(held=held, prepared=prepared, last_epoch=said.last_epoch, positions={})
        await self.store.write(resume.resume, key_of(session), inventory)
        return session

    async def open(self, runner_id: str = RUNNER, **hello: Any) -> tuple[PlayedSession, Hello]:
        """A runner's new session, its inventory still to come."""
        self.joins[runner_id] = self.joins.get(runner_id, 0) + 1
        said = hello_of(runner_id, join=self.joins[runner_id], **hello)
        opened = await self.store.write(runners.open_session, WORKSPACE, said, HUB_ID)
        assert opened is not None
        session = PlayedSession(runner_id=runner_id, epoch=opened.key.epoch)
        self.sessions.by_runner[runner_id] = session
        self.book.open_session(WORKSPACE, runner_id, opened.key.epoch, opened.labels)
        return session, said

    async def disconnect(self, session: PlayedSession) -> None:
        """Its link goes."""
        self.book.drop_session(session.runner_id, session.epoch)
        self.sessions.by_runner.pop(session.runner_id, None)
        await self.store.write(runners.close_session, key_of(session), "link lost")

    def offer(self, session: PlayedSession, slot: int = 0) -> None:
        """One of its slots is free."""
        key = f"{session.runner_id}/{slot}"
        self.generations[key] = self.generations.get(key, 0) + 1
        stamp = Stamp(boot_ns=self.clock.boot_ns(), wall_ns=0)
        self.book.slot_free(session.runner_id, session.epoch, slot, self.generations[key], stamp)

    async def say(
        self, session: PlayedSession, start: Start, *bodies: FactBody, first: int = 1, whole: bool = True
    ) -> None:
        """Facts of an execution, numbered from `first`, in one group; its output is empty and whole."""
        said = [make_fact(start.execution_id, start.fence, seq, body) for seq, body in enumerate(bodies, start=first)]
        await self.accept(session, *said, whole=whole)

    async def accept(self, session: PlayedSession, *said: Fact, whole: bool = True) -> None:
        """Facts as they come over the link."""
        stored = {fact.execution_id: WHOLE for fact in said} if whole else {}
        await self.store.write(facts.accept, key_of(session), said, stored)

    # --- tasks ---

    async def create(self, automation: str = "invoices", **members: Any) -> TaskView:
        """A task, granted at once where a credit counts for it: the fast path."""
        new = NewTask(workspace_id=WORKSPACE, automation=automation, parameters={}, actor="token:ana", **members)
        needs, build_id, bot_id = await self.store.read(_target, automation)
        credit = self.book.take(WORKSPACE, needs, build_id, bot_id=bot_id) if build_id else None
        failure = on_failed_grant(credit) if credit else ()
        doubt = on_doubtful_grant(credit) if credit else ()
        return await self.store.write(tasks.create, new, credit, urgent=True, on_failure=failure, on_doubt=doubt)

    async def grant(self) -> dispatch.Granted | None:
        """What the dispatch loop does with a free credit."""
        credit = self.book.take_any(WORKSPACE)
        assert credit is not None
        return await self.store.write(dispatch.grant, credit, urgent=True, on_failure=on_failed_grant(credit))

    async def show(self, task: TaskView | str) -> TaskView:
        """The task as it is now."""
        task_id = task if isinstance(task, str) else task.id
        return await self.store.read(tasks.show, WORKSPACE, task_id)

    async def running(self, **members: Any) -> tuple[TaskView, PlayedSession, Start]:
        """A task whose bot runs on a fresh session of the runner."""
        session = await self.connect()
        self.offer(session)
        task = await self.create(**members)
        start = self.started_order(session)
        await self.say(session, start, started())
        return task, session, start

    def started_order(self, session: PlayedSession) -> Start:
        """The newest order that the session was sent."""
        return [message for message in session.sent if isinstance(message, Start)][-1]

    # --- looking ---

    async def rows(self, table: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of a table."""
        return await self.store.read(_rows, table, where)

    async def automation(self, **changes: Any) -> None:
        """Change the automation `invoices`."""
        await self.store.write(automations.edit, ADMIN, "invoices", changes)


def key_of(session: PlayedSession) -> SessionKey:
    """The session as services name it."""
    return SessionKey(workspace_id=session.workspace_id, runner_id=session.runner_id, epoch=session.epoch)


def hello_of(
    runner_id: str,
    *,
    join: int,
    last_epoch: int | None = None,
    home_id: str = HOME,
    agent_version: str = "1",
    slots: int = 1,
) -> Hello:
    """A hello; without `last_epoch` the home knows every epoch so far."""
    return Hello(
        protocol_min=1,
        protocol_max=1,
        runner_id=runner_id,
        home_id=home_id,
        boot_id="boot",
        join=join,
        last_epoch=join - 1 if last_epoch is None else last_epoch,
        fingerprint="f",
        origin="http://hub",
        agent_version=agent_version,
        slots=slots,
        signature="0" * 128,
    )


@asynccontextmanager
async def work_world(url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A store with one bot (released, ready), its automation `invoices`, and two runners."""
    sessions, signals, book = PlayedSessions(), Signals(), CreditBook(clock.monotonic)
    performer = Performer(book, sessions, signals, lambda *_: None)
    fatal: list[BaseException] = []
    options = Options(on_effect_error=_raise, on_fatal=fatal.append)
    async with open_store(url, clock=clock, perform=performer.perform, options=options) as store:
        await store.write(_seed)
        definition = Definition(label="invoices", bot="invoices", name="Invoices")
        await store.write(automations.create, ADMIN, definition)
        yield WorkWorld(store=store, clock=clock, book=book, sessions=sessions, signals=signals)
    assert [] == fatal


def _raise(effect: object, error: Exception) -> None:
    raise AssertionError(f"effect {effect!r} failed") from error


def insert(tx: Transaction, table: str, **values: Any) -> Done[None]:
    """One row of any table, in `WORKSPACE`."""
    made = tables.metadata.tables[table]
    if "workspace_id" in made.columns:
        values.setdefault("workspace_id", WORKSPACE)
    tx.connection.execute(sa.insert(made).values(**values))
    return Done(None)


def _seed(tx: Transaction) -> Done[None]:
    now = tx.now
    insert(tx, "workspaces", id=WORKSPACE, label="acme", name="Acme", created_at=now)
    bot(tx, "invoices", BUILD)
    for runner_id, name in ((RUNNER, "vm1"), (OTHER_RUNNER, "vm2")):
        values = {"public_key": "k", "home_id": HOME, "fingerprint": "f", "labels": {"site": "north"}, "slots": 1}
        insert(tx, "runners", id=runner_id, name=name, state="enrolled", created_at=now, **values)
    return Done(None)


def bot(
    tx: Transaction, name: str, build_id: str, kind: Kind = Kind.BOTCITY, *, workspace_id: str = WORKSPACE
) -> Done[None]:
    """A bot with one build, ready and released."""
    report = ReportPolicy.REQUIRED if kind is Kind.BOTCITY else ReportPolicy.OPTIONAL
    launch = Launch(kind=kind, entry="bot.py", report=report).model_dump(mode="json")
    insert(tx, "bots", workspace_id=workspace_id, id=f"bot_{name}", name=name, created_at=tx.now)
    build: dict[str, Any] = {
        "bot_id": f"bot_{name}",
        "version": "1.0",
        "digest": DIGEST,
        "state": "ready",
        "kind": kind,
    }
    build |= {"launch": launch, "created_by": "test", "created_at": tx.now, "ready_at": tx.now}
    insert(tx, "builds", workspace_id=workspace_id, id=build_id, **build)
    tx.connection.execute(
        sa.update(tables.bots).where(tables.bots.c.id == f"bot_{name}").values(released_build_id=build_id)
    )
    return Done(None)


def _target(tx: Transaction, label: str) -> tuple[dict[str, str], str | None, str]:
    automation = automations.show(tx, WORKSPACE, label)
    return automation.definition.all_needs, automation.released_build_id, automation.bot_id


def _rows(tx: Transaction, table: str, where: dict[str, Any]) -> list[dict[str, Any]]:
    made = tables.metadata.tables[table]
    statement = sa.select(made).where(*(made.c[name] == value for name, value in where.items()))
    statement = statement.order_by(*made.primary_key.columns)
    return [dict(row) for row in tx.connection.execute(statement).mappings()]


# --- facts ---

_AT = FakeClock().now()


def started() -> StartedFact:
    """The verdict `started`."""
    return StartedFact(at=_AT)


def void(reason: VoidReason = VoidReason.STALE) -> VoidFact:
    """The verdict `void`."""
    return VoidFact(at=_AT, reason=reason)


def report(status: ReportStatus = ReportStatus.SUCCEEDED, *, late: bool = False, message: str = "done") -> ReportFact:
    """A finish report of the bot."""
    return ReportFact(at=_AT, status=status, message=message, totals=Totals(total=2, processed=2, failed=0), late=late)


def stop(cause: StopCause = StopCause.CANCEL) -> StopFact:
    """A stop, before its first signal."""
    return StopFact(at=_AT, cause=cause)


def exited(code: int = 0, *, stopped: bool = False) -> ExitFact:
    """The main process ended."""
    return ExitFact(at=_AT, how=ExitKind.NORMAL, code=code, signaled_by_stop=stopped)


def final(size: int = 0, sha256: str = EMPTY_SHA) -> FinalFact:
    """The last fact."""
    return FinalFact(at=_AT, output_bytes=size, output_sha256=sha256)


def held(start: Start, **members: Any) -> Held:
    """How a runner names an execution in its inventory."""
    values: dict[str, Any] = {"verdict": "started", "last_fact": 1, "output_bytes": 0} | members
    return Held(execution_id=start.execution_id, fence=start.fence, **values)


def answers(session: PlayedSession) -> dict[str, Resumed]:
    """What the session was answered at its resume, by execution."""
    return {message.execution_id: message for message in session.sent if isinstance(message, Resumed)}
