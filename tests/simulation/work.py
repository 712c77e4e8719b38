"""What there is to run in a world: a workspace, bots whose builds need no preparing, automations."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.words import Kind, OnDisconnect
from hub.context import Hub
from hub.domain.automation import Definition
from hub.domain.retry import RetryPolicy
from hub.domain.task import TaskView
from hub.services import automations, tasks
from hub.services.loops import on_doubtful_grant, on_failed_grant
from hub.services.tasks import NewTask
from hub.storage.transaction import Done, Transaction
from tests.support.work_world import ADMIN, WORKSPACE, bot, insert

BOTS = {Kind.BOTCITY: "reporter", Kind.PYTHON: "plain"}
"""One bot of a kind whose report decides, one whose exit code does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An automation as a world draws it."""

    label: str
    kind: Kind
    on_disconnect: OnDisconnect = OnDisconnect.KEEP
    lost_after_s: int = 600
    attempts: int = 1
    run_limit_s: int | None = 86_400

    @property
    def is_keep(self) -> bool:
        """Whether its bots outlive a lost link."""
        return self.on_disconnect is OnDisconnect.KEEP

    @property
    def report_decides(self) -> bool:
        """Whether the report is the outcome, whatever the exit code (core.md §4)."""
        return self.kind is Kind.BOTCITY


def build_of(kind: Kind) -> str:
    """The build that runners have prepared for the bot of that kind."""
    return "bld_" + ("b" if kind is Kind.BOTCITY else "c") * 32


async def seed(hub: Hub, plans: Sequence[Plan]) -> None:
    """Make everything; once in a world."""
    await hub.store.write(_seed)
    for plan in plans:
        definition = Definition(
            label=plan.label,
            bot=BOTS[plan.kind],
            on_disconnect=plan.on_disconnect,
            lost_after_s=plan.lost_after_s,
            run_limit_s=plan.run_limit_s,
            retry=RetryPolicy(attempts=plan.attempts),
        )
        await hub.store.write(automations.create, ADMIN, definition)


async def create(hub: Hub, label: str) -> TaskView:
    """Ask for a task as `POST /tasks` does: granted at once where a credit counts for it (design.md §3, step 2)."""
    new = NewTask(workspace_id=WORKSPACE, automation=label, parameters={}, actor="token:ana")
    automation = await hub.store.read(automations.show, WORKSPACE, label)
    build_id = automation.released_build_id
    credit = None
    if build_id is not None:
        credit = hub.book.take(WORKSPACE, dict(automation.definition.needs), build_id)
    failure = on_failed_grant(credit) if credit else ()
    doubt = on_doubtful_grant(credit) if credit else ()
    return await hub.store.write(tasks.create, new, credit, urgent=True, on_failure=failure, on_doubt=doubt)


async def show(hub: Hub, task_id: str) -> TaskView:
    """The task as it is now."""
    return await hub.store.read(tasks.show, WORKSPACE, task_id)


def _seed(tx: Transaction) -> Done[None]:
    insert(tx, "workspaces", id=WORKSPACE, label="acme", name="Acme", created_at=tx.now)
    for kind, name in BOTS.items():
        bot(tx, name, build_of(kind), kind)
    return Done(None)
