"""Which build of a bot is live. A release reaches all runners at once; executions keep the build they have."""

from hub.domain.access import Caller
from hub.errors import Conflict
from hub.services.builds import of_version
from hub.services.effects import RefreshDesired, WakeDispatch
from hub.storage import builds as rows
from hub.storage.builds import BuildRow
from hub.storage.transaction import Done, NewEvent, Transaction


def release(tx: Transaction, caller: Caller, bot: str, version: str) -> Done[BuildRow]:
    """Make a ready build the one that new executions of its bot get; releasing the released one changes nothing.

    Raises NotFound, and Conflict for a build that is not ready.
    """
    build = of_version(tx, caller.workspace_id, bot, version)
    if build.is_released:
        return Done(build)
    previous = rows.bot_named(tx, caller.workspace_id, bot)
    if not rows.release(tx, caller.workspace_id, build, caller.actor):
        because = f": {build.problem}" if build.problem else ""
        raise Conflict(
            "build_not_ready",
            f"Version {version} of {bot} is {build.state}{because}. Only a ready build can be released.",
            {"state": build.state},
        )
    tx.record(
        NewEvent(
            workspace_id=caller.workspace_id,
            kind="bot.released",
            subject=build.bot_id,
            actor=caller.actor,
            old=previous.released_build_id if previous else None,
            new=build.id,
            data={"bot": bot, "version": version, "digest": build.digest},
        )
    )
    effects = [RefreshDesired(workspace_id=caller.workspace_id), WakeDispatch(workspace_id=caller.workspace_id)]
    return Done(of_version(tx, caller.workspace_id, bot, version), effects)
