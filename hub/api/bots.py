"""Bots and their builds: deployed, watched on their way to the runners, released."""

import asyncio
from datetime import datetime

from aiohttp import web
from pydantic import Field

from agent.wire.words import BuildState, Kind, PreparationState
from hub.api import build_stream
from hub.api.call import Call, Nothing, Query, Sent, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.api.sse import wants_stream
from hub.api.uploads import Deploy, received
from hub.domain.access import Role
from hub.domain.automation import Definition
from hub.services import automations, build_progress, builds, releases
from hub.services.build_progress import BuildProgress
from hub.services.deployments import recognised_build
from hub.storage.builds import BotRow, BuildRow
from hub.storage.transaction import Done, Transaction


class Bot(View):
    """A named program."""

    id: str
    name: str
    released_build: str | None
    released_version: str | None
    created_at: datetime


class Build(View):
    """One immutable version of a bot."""

    id: str
    bot: str
    version: str
    digest: str = Field(description="sha256 of its manifest; this is what the build is, the version is a name.")
    state: BuildState
    kind: Kind | None
    python: str | None
    size_bytes: int
    file_count: int
    problem: str | None = Field(description="Why it is rejected, or what it waits for.")
    is_released: bool = Field(description="New executions get this one.")
    created_by: str
    created_at: datetime
    ready_at: datetime | None


class Builds(View):
    """Builds of a bot."""

    items: list[Build]


class Preparation(View):
    """How far a build has come on one runner."""

    runner: str
    state: PreparationState
    progress: float
    message: str
    permanent: bool = Field(description="The runner will not try again.")
    is_connected: bool
    updated_at: datetime


class Progress(Build):
    """A build, and where it is prepared."""

    fit_runners: int = Field(description="Connected runners that meet the needs of one of the bot's automations.")
    prepared_runners: int = Field(description="How many of those have it ready.")
    preparations: list[Preparation]


class Deployed(View):
    """What became of an upload."""

    build: Build
    is_known: bool = Field(description="The very same build was here before.")
    automation: str | None = Field(description="Label of the automation of the bot's name; null when none was wanted.")


class Follow(Query):
    """Once, or as it becomes."""

    follow: bool = Field(default=False, description="Go on as server-sent events: the build whenever it changed.")


class Newest(Query):
    """How many."""

    limit: int = Field(default=50, ge=1, le=500)


@route("GET", "/bots", Spec(role=Role.VIEWER, summary="List bots", about="By name."))
async def listing(call: Call[Nothing, Listing]) -> Page[Bot]:
    """Bots of the workspace."""
    query = call.query
    found = await call.read(lambda tx: builds.bots(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, bot_view, lambda bot: bot.name)


@route("GET", "/bots/{bot}", Spec(role=Role.VIEWER, summary="Show a bot"))
async def show(call: Call[Nothing, Nothing]) -> Bot:
    """One bot."""
    return bot_view(await call.read(lambda tx: builds.show_bot(tx, call.caller.workspace_id, call.path("bot"))))


@route("GET", "/bots/{bot}/builds", Spec(role=Role.VIEWER, summary="List a bot's builds", about="Newest first."))
async def builds_of(call: Call[Nothing, Newest]) -> Builds:
    """Builds of a bot."""
    limit = call.query.limit
    found = await call.read(lambda tx: builds.of_bot(tx, call.caller.workspace_id, call.path("bot"), limit))
    return Builds(items=[build_view(row) for row in found])


@route(
    "GET",
    "/bots/{bot}/builds/{build}",
    Spec(
        role=Role.VIEWER,
        summary="Show or follow a build",
        about="With its state, and how far each runner has prepared it.",
        streams=True,
    ),
)
async def build(call: Call[Nothing, Follow]) -> Progress | web.StreamResponse:
    """One build and its progress."""
    if wants_stream(call, follow=call.query.follow):
        return await build_stream.follow(call, _progress)
    workspace_id = call.caller.workspace_id
    return _progress(
        await call.read(lambda tx: build_progress.show(tx, workspace_id, call.path("bot"), call.path("build")))
    )


@route(
    "POST",
    "/bots/{bot}/builds/{build}/release",
    Spec(role=Role.DEVELOPER, summary="Release a build", about="New executions get it from now on."),
)
async def release(call: Call[Nothing, Nothing]) -> Sent[Build]:
    """The released build."""

    def use_case(tx: Transaction) -> Done[BuildRow]:
        named = build_progress.of_bot(tx, call.caller.workspace_id, call.path("bot"), call.path("build"))
        return releases.release(tx, call.caller, named.bot, named.version)

    return await call.write(use_case, build_view)


@route(
    "POST",
    "/builds",
    Spec(
        role=Role.DEVELOPER,
        summary="Deploy a package",
        about=(
            "The body is a zip, a tar.gz or a single file. Answers when the build is written down; it is resolved "
            "after that. The same bytes under the same version are the same build."
        ),
        status=201,
        upload="application/octet-stream",
    ),
)
async def deploy(call: Call[Nothing, Deploy]) -> Deployed:
    """The build that was made of the upload, and the automation of the bot's name."""
    async with received(call) as upload:
        found = await call.hub.deployments.deploy(call.caller, upload, call.query.wish())
    if not call.query.automation:
        return Deployed(build=build_view(found.build), is_known=found.is_known, automation=None)
    recognised = await asyncio.to_thread(recognised_build, found.build, call.hub.blobs)
    needs = call.query.needs or recognised.needs
    wanted = Definition(label=found.build.bot, bot=found.build.bot, needs=needs)
    made = await call.hub.store.write(automations.ensure, call.caller, wanted)
    return Deployed(build=build_view(found.build), is_known=found.is_known, automation=made.definition.label)


ROUTES: tuple[Route, ...] = (listing, show, builds_of, build, release, deploy)


def bot_view(bot: BotRow) -> Bot:
    """A bot as clients see it."""
    return Bot(
        id=bot.id,
        name=bot.name,
        released_build=bot.released_build_id,
        released_version=bot.released_version,
        created_at=bot.created_at,
    )


def build_view(row: BuildRow) -> Build:
    """A build as clients see it."""
    return Build(**{name: getattr(row, name) for name in Build.model_fields})


def _progress(found: BuildProgress) -> Progress:
    return Progress(
        **build_view(found.build).model_dump(),
        fit_runners=found.fit_runners,
        prepared_runners=found.prepared_runners,
        preparations=[
            Preparation(**{name: getattr(one, name) for name in Preparation.model_fields}) for one in found.preparations
        ],
    )
