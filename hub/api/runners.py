"""Runners: brought in by tokens, watched, drained, revoked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from agent.wire.condition import FaultCode
from agent.wire.words import ExecutionState, PreparationState
from hub.api import windows
from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.condition_views import Desktop, NoWork, codes, desktop_views, no_work
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.api.windows import Window
from hub.domain.access import Role, SecretKind
from hub.domain.credits import Offer
from hub.domain.window import REASON_MAX
from hub.services import access, enrolment, runners
from hub.services.enrolment import EnrolmentState, EnrolmentView
from hub.services.runners import RunnerState, RunnerView
from hub.storage import runner_pages
from hub.storage.runner_pages import BusySlot, HeldBuild
from hub.storage.transaction import Transaction


class Runner(View):
    """An enrolled agent on one machine."""

    id: str
    name: str
    state: RunnerState
    connected: bool
    draining: bool = Field(description="It gets no new work.")
    drain_reason: str | None
    drained_by: str | None
    drained_at: datetime | None
    quarantined_at: datetime | None
    quarantine_reason: str | None
    is_copied: bool = Field(description="Quarantined as a copy: only a new enrolment cures it, and not resume.")
    window: Window | None = Field(description="The maintenance window that it is in now: it gets no new work.")
    labels: dict[str, str]
    slots: int
    running: int = Field(description="Executions that it has.")
    faults: list[FaultCode] = Field(description="What is wrong with it or its desktops, as it told last; each once.")
    agent_version: str | None
    platform: dict[str, str]
    connected_at: datetime | None
    last_seen_at: datetime | None
    unreachable_since: datetime | None
    created_at: datetime


class Busy(View):
    """A slot that has an execution."""

    slot: int
    task: str
    number: int
    round: int
    automation: str
    execution: str
    state: ExecutionState
    since: datetime


class Held(View):
    """A build that the runner has, or makes ready."""

    build: str
    bot: str
    version: str
    digest: str
    state: PreparationState
    progress: float
    message: str
    is_released: bool
    updated_at: datetime


class RunnerDetails(Runner):
    """A runner, what it does, and what it could do."""

    free: int = Field(description="Slots that a task could get now.")
    fit: bool = Field(description="Whether it says that it can run bots.")
    unfit: list[str] = Field(description="Why not, in its own words.")
    no_work: list[NoWork] = Field(description="Why it gets no work, or not all of it; the first to act on first.")
    desktops: list[Desktop] = Field(description="What it has, fit or not, as it told last.")
    applications: list[str] = Field(description="Programs that bots may count on, as it told last.")
    condition_at: datetime | None = Field(description="Since when faults, desktops and applications are so.")
    told_at: datetime | None = Field(description="When it was there last to tell so; now while it is connected.")
    busy: list[Busy]
    builds: list[Held] = Field(description="Builds that are prepared there, are being prepared, or could not be.")


class Drain(Strict):
    """Why a runner is to get no new work."""

    reason: str = Field(default="", max_length=REASON_MAX, description="Shown where tasks wait; until it is resumed.")


class NewEnrolmentToken(Strict):
    """A token that is asked for."""

    labels: dict[str, str] = Field(default={}, description="Labels of the runner; they win over its own.")
    name: str | None = Field(default=None, min_length=1, max_length=100, description="Its name, unless it brings one.")
    minutes: int = Field(default=10, ge=1, le=1440, description="How long it can be used.")


class EnrolmentToken(View):
    """A token that brings one runner in, once."""

    id: str
    state: EnrolmentState
    labels: dict[str, str]
    name: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None = Field(description="The runner that it brought in.")


class MadeEnrolmentToken(EnrolmentToken):
    """A fresh token with its secret."""

    token: str = Field(description="The secret. It is shown only now.")
    hub: str = Field(description="Identity of the hub, which the runner pins.")


@route("GET", "/runners", Spec(role=Role.VIEWER, summary="List runners", about="By name; revoked ones too."))
async def listing(call: Call[Nothing, Listing]) -> Page[Runner]:
    """Runners of the workspace."""
    query = call.query
    found = await call.read(lambda tx: runners.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda runner: runner.name)


@route("GET", "/runners/{runner}", Spec(role=Role.VIEWER, summary="Show a runner"))
async def show(call: Call[Nothing, Nothing]) -> RunnerDetails:
    """One runner, by name or id."""
    workspace_id = call.caller.workspace_id

    def query(tx: Transaction) -> tuple[RunnerView, list[BusySlot], list[HeldBuild]]:
        found = runners.show(tx, workspace_id, call.path("runner"))
        busy = runner_pages.busy(tx, workspace_id, [found.id])
        return found, busy, runner_pages.held(tx, workspace_id, found.id)

    found, busy, builds = await call.read(query)
    return _details(found, busy, builds, call.hub.book.offers(workspace_id).get(found.id), call.hub.clock.now())


@route(
    "POST",
    "/runners/{runner}/drain",
    Spec(
        role=Role.OPERATOR,
        summary="Drain a runner",
        about="No new work; its bots are left alone. It lasts until it is resumed, over every restart.",
        example={"reason": "new graphics driver"},
    ),
)
async def drain(call: Call[Drain, Nothing]) -> Sent[Runner]:
    """The runner, which gets no new work."""
    caller, reason = call.caller, call.body.reason.strip()
    return await call.write(
        lambda tx: runners.drain(tx, caller.workspace_id, call.path("runner"), caller.actor, on=True, reason=reason),
        view,
    )


@route("POST", "/runners/{runner}/resume", Spec(role=Role.OPERATOR, summary="Give a drained runner work again"))
async def resume(call: Call[Nothing, Nothing]) -> Sent[Runner]:
    """The runner, which gets work."""
    caller = call.caller
    return await call.write(
        lambda tx: runners.drain(tx, caller.workspace_id, call.path("runner"), caller.actor, on=False), view
    )


@route(
    "POST",
    "/runners/{runner}/revoke",
    Spec(role=Role.ADMIN, summary="Revoke a runner", about="For ever: its link is cut, what it ran is lost."),
)
async def revoke(call: Call[Nothing, Nothing]) -> Sent[Runner]:
    """The runner, cut off."""
    caller = call.caller
    return await call.write(
        lambda tx: runners.revoke(tx, caller.workspace_id, call.path("runner"), caller.actor), view, urgent=True
    )


@route("GET", "/enrolment-tokens", Spec(role=Role.ADMIN, summary="List enrolment tokens", about="Oldest first."))
async def tokens(call: Call[Nothing, Listing]) -> Page[EnrolmentToken]:
    """Enrolment tokens of the workspace, used and ended ones too."""
    query = call.query
    found = await call.read(lambda tx: enrolment.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, token_view, lambda token: token.id)


@route(
    "POST",
    "/enrolment-tokens",
    Spec(
        role=Role.ADMIN,
        summary="Make an enrolment token",
        about="`botyard-agent enroll URL --token -` takes it on the new machine.",
        status=201,
        secret=True,
        example={"labels": {"room": "accounting"}, "minutes": 10},
    ),
)
async def create_token(call: Call[NewEnrolmentToken, Nothing]) -> Sent[MadeEnrolmentToken]:
    """A token for one runner."""
    body = call.body
    new = enrolment.NewEnrolment(labels=body.labels, name=body.name, life=timedelta(minutes=body.minutes))
    secret = access.new_secret(SecretKind.ENROLMENT)
    return await call.write(
        lambda tx: enrolment.create(tx, call.caller, new, secret), partial(_made, secret, call.hub.identity.hub_id)
    )


@route(
    "POST",
    "/enrolment-tokens/{token}/revoke",
    Spec(role=Role.ADMIN, summary="End an enrolment token", about="One that was used is a conflict."),
)
async def revoke_token(call: Call[Nothing, Nothing]) -> Sent[EnrolmentToken]:
    """The token, which nobody can use any more."""
    return await call.write(lambda tx: enrolment.revoke(tx, call.caller, call.path("token")), token_view)


ROUTES: tuple[Route, ...] = (listing, show, drain, resume, revoke, tokens, create_token, revoke_token)


def view(runner: RunnerView) -> Runner:
    """A runner as clients see it."""
    own = {"connected", "window", "faults"}
    same = {name: getattr(runner, name) for name in Runner.model_fields if name not in own}
    window = None if runner.window is None else windows.view(runner.window)
    return Runner(**same, connected=runner.is_linked, window=window, faults=codes(runner))


def _details(
    runner: RunnerView, busy: Sequence[BusySlot], builds: Sequence[HeldBuild], offer: Offer | None, now: datetime
) -> RunnerDetails:
    known: dict[str, Any] = view(runner).model_dump()
    slots = [Busy(task=one.task_id, execution=one.execution_id, **_same(one, Busy)) for one in busy]
    return RunnerDetails(
        **known,
        free=offer.free if offer else 0,
        fit=offer is not None and offer.is_ready,
        unfit=list(offer.unfit) if offer else [],
        no_work=no_work(runner, busy, offer, now),
        desktops=desktop_views(runner),
        applications=list(runner.condition.applications) if runner.condition else [],
        condition_at=runner.condition_at,
        told_at=now if runner.is_linked else runner.last_seen_at,
        busy=slots,
        builds=[Held(build=one.build_id, **_same(one, Held)) for one in builds],
    )


def _same(row: BusySlot | HeldBuild, model: type[View]) -> dict[str, Any]:
    """The members that a row and its view call by one name."""
    return {name: getattr(row, name) for name in model.model_fields if hasattr(row, name)}


def token_view(token: EnrolmentView) -> EnrolmentToken:
    """An enrolment token as clients see it."""
    return EnrolmentToken(**{name: getattr(token, name) for name in EnrolmentToken.model_fields})


def _made(secret: str, hub_id: str, token: EnrolmentView) -> MadeEnrolmentToken:
    return MadeEnrolmentToken(**token_view(token).model_dump(), token=secret, hub=hub_id)
