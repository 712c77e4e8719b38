"""How far a build is: on its way to ready, and on the runners that shall have it; what `deploy` shows meanwhile."""

from dataclasses import dataclass

from hub.domain.condition import could_fit_as_stored
from hub.services import builds
from hub.storage import automations, preparations
from hub.storage.builds import BuildRow
from hub.storage.preparations import PreparationRow
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """A build and its runners."""

    build: BuildRow
    preparations: list[PreparationRow]
    fit_runners: int
    """Connected runners that meet the needs of an automation of this bot."""
    prepared_runners: int
    """How many of those have it ready."""


def show(tx: Transaction, workspace_id: str, bot: str, named: str) -> BuildProgress:
    """The progress of a bot's build, named by version or id. Raises NotFound."""
    build = of_bot(tx, workspace_id, bot, named)
    needs = [row.needs for row in automations.of_bot(tx, workspace_id, build.bot_id)]
    connected = preparations.connected(tx, workspace_id)
    fit = {one.id for one in connected if any(could_fit_as_stored(one.labels, one.condition, need) for need in needs)}
    told = preparations.of_build(tx, workspace_id, build.id)
    prepared = {one.runner_id for one in told if one.state == "prepared"}
    return BuildProgress(build=build, preparations=told, fit_runners=len(fit), prepared_runners=len(fit & prepared))


def of_bot(tx: Transaction, workspace_id: str, bot: str, named: str) -> BuildRow:
    """The build of this bot that is named by its version, or by its id. Raises NotFound."""
    if named.startswith("bld_"):
        row = builds.show(tx, workspace_id, named)
        if row.bot == bot:
            return row
    return builds.of_version(tx, workspace_id, bot, named)
