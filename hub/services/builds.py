"""Builds from upload to ready (design.md §1).

    received ──> resolving ──> ready
        └────────────┴──────> rejected ──> (deployed again) received

A build with packages to resolve is picked up by the hub's resolver. What that can't do without running a package's own
code stays `resolving` with `problem` saying so, until a runner has resolved it (S25, S47). A version is moved by
nobody: other bytes, or another way to start them, under a used version are a conflict; only a rejected one, which no
runner ever got, may be replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.wire.task import Launch
from agent.wire.words import BuildState
from hub.domain.access import Caller
from hub.domain.packages import Recognised
from hub.domain.requirements import RequirementError, check_lock
from hub.errors import Conflict, Invalid, NotFound
from hub.services.effects import RefreshDesired, WakeDispatch
from hub.storage import builds as rows
from hub.storage import preparations as preparation_rows
from hub.storage.blobs import Blob
from hub.storage.builds import BotRow, BuildRow
from hub.storage.transaction import Done, NewEvent, Transaction

_UNFINISHED = (BuildState.RECEIVED, BuildState.RESOLVING)
_RUNNER = "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBuild:
    """A stored and recognised package that should become a build."""

    bot: str
    version: str
    digest: str
    file_count: int
    size_bytes: int
    recognised: Recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of a deployment: its build, and whether the workspace had it already."""

    build: BuildRow
    is_known: bool


def own_blobs(tx: Transaction, workspace_id: str, sizes: Mapping[str, int]) -> Done[None]:
    """Note that these blobs (sha256 to bytes) belong to the workspace: the bulk of a deployment, staged before it."""
    rows.own_blobs(tx, workspace_id, sizes)
    return Done(None)


def receive(tx: Transaction, caller: Caller, new: NewBuild) -> Done[Received]:
    """Make a build of a stored package, and its bot where there is none. The same bytes again give the same build.

    Raises Conflict when the version is another build's.
    """
    known = rows.build_of_version(tx, caller.workspace_id, new.bot, new.version)
    if known is None:
        build_id = _insert(tx, caller, new)
    elif known.state == BuildState.REJECTED:
        build_id = known.id
        if not rows.move_build(tx, caller.workspace_id, build_id, (BuildState.REJECTED,), _values(tx, caller, new)):
            raise Conflict("version_changed", f"Version {new.version} of {new.bot} changed meanwhile. Deploy again.")
    elif known.digest == new.digest and launch_of(known) == new.recognised.launch:
        # Asking again is how a person says "try again": also in the hub, when that had left it to a runner.
        rows.move_build(tx, caller.workspace_id, known.id, (BuildState.RESOLVING,), {"problem": None})
        return Done(Received(build=known, is_known=True))
    else:
        raise _version_used(known, new)
    row = show(tx, caller.workspace_id, build_id)
    _record(tx, row, caller.actor, None)
    return Done(Received(build=row, is_known=False))


def begin_resolving(tx: Transaction, workspace_id: str, build_id: str) -> Done[bool]:
    """Take a received build into the resolver; False when it is past that. Repeating it after a restart is fine."""
    is_taken = rows.move_build(tx, workspace_id, build_id, _UNFINISHED, {"state": BuildState.RESOLVING})
    return Done(is_taken)


def finish_resolving(tx: Transaction, workspace_id: str, build_id: str, lock: Blob) -> Done[bool]:
    """Store the resolved list of a build and make it ready; False when somebody else was first."""
    return _ready(tx, show(tx, workspace_id, build_id), lock, "hub")


def leave_to_runner(tx: Transaction, workspace_id: str, build_id: str, why: str) -> Done[bool]:
    """The hub can't resolve this build: a fit runner shall. `why` is shown while it waits."""
    is_left = rows.move_build(tx, workspace_id, build_id, _UNFINISHED, {"state": BuildState.RESOLVING, "problem": why})
    return Done(is_left, [RefreshDesired(workspace_id=workspace_id)] if is_left else [])


def reject(tx: Transaction, workspace_id: str, build_id: str, problem: str) -> Done[bool]:
    """No machine can make this build ready; `problem` is for its author."""
    values = {"state": BuildState.REJECTED, "problem": problem}
    if not rows.move_build(tx, workspace_id, build_id, _UNFINISHED, values):
        return Done(result=False)
    _record(tx, show(tx, workspace_id, build_id), "hub", BuildState.RESOLVING)
    return Done(True, [RefreshDesired(workspace_id=workspace_id)])


def check_runner_lock(build: BuildRow, wanted: frozenset[str], text: str) -> None:
    """Raise Invalid unless `text` may be the resolved list of a build that waits for a runner to make one."""
    if build.state != BuildState.RESOLVING or build.problem is None:
        raise Conflict("lock_not_wanted", f"Build {build.id} does not wait for a runner to resolve its requirements.")
    try:
        check_lock(text, wanted)
    except RequirementError as error:
        raise Invalid("bad_lock", f"This list can't be the build's: {error}") from None


def accept_runner_lock(tx: Transaction, workspace_id: str, runner_id: str, build_id: str, lock: Blob) -> Done[bool]:
    """Store the list that a runner resolved; the first one wins, and False says that it was another's."""
    return _ready(tx, show(tx, workspace_id, build_id), lock, f"{_RUNNER}:{runner_id}")


def show(tx: Transaction, workspace_id: str, build_id: str) -> BuildRow:
    """The build of that id. Raises NotFound."""
    row = rows.build(tx, workspace_id, build_id)
    if row is None:
        raise NotFound(
            "no_build", f"There is no build {build_id!r} here. `botyard bot show NAME` lists a bot's builds."
        )
    return row


def of_version(tx: Transaction, workspace_id: str, bot: str, version: str) -> BuildRow:
    """The bot's build of that version. Raises NotFound."""
    row = rows.build_of_version(tx, workspace_id, bot, version)
    if row is None:
        raise NotFound(
            "no_build", f"Bot {bot!r} has no version {version!r} here. Deploy it first: botyard deploy PATH."
        )
    return row


def of_bot(tx: Transaction, workspace_id: str, bot: str, limit: int) -> list[BuildRow]:
    """The bot's builds, newest first. Raises NotFound for an unknown bot."""
    show_bot(tx, workspace_id, bot)
    return rows.builds_of_bot(tx, workspace_id, bot, limit)


def show_bot(tx: Transaction, workspace_id: str, name: str) -> BotRow:
    """The bot of that name. Raises NotFound."""
    row = rows.bot_named(tx, workspace_id, name)
    if row is None:
        told = f"There is no bot {name[:128]!r} here. Deploy it first: botyard deploy PATH."
        raise NotFound("no_bot", told, {"name": name[:128]})
    return row


def bots(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[BotRow]:
    """Bots in order of name, those behind the name `after`."""
    return rows.bot_page(tx, workspace_id, after, limit)


def launch_of(build: BuildRow) -> Launch:
    """How the build is started."""
    return Launch.model_validate(build.launch)


def _insert(tx: Transaction, caller: Caller, new: NewBuild) -> str:
    rows.add_bot(tx, caller.workspace_id, tx.new_id("bot"), new.bot)
    bot = show_bot(tx, caller.workspace_id, new.bot)
    build_id = tx.new_id("bld")
    values = {**_values(tx, caller, new), "bot_id": bot.id, "version": new.version}
    if not rows.add_build(tx, caller.workspace_id, build_id, values):
        raise Conflict("version_changed", f"Version {new.version} of {new.bot} came in meanwhile. Deploy again.")
    return build_id


def _values(tx: Transaction, caller: Caller, new: NewBuild) -> dict[str, object]:
    is_ready = new.recognised.requirements is None
    return {
        "digest": new.digest,
        "state": BuildState.READY if is_ready else BuildState.RECEIVED,
        "kind": new.recognised.launch.kind,
        "launch": new.recognised.launch.model_dump(mode="json"),
        "lock_digest": None,
        "python": new.recognised.launch.python or None,
        "size_bytes": new.size_bytes,
        "file_count": new.file_count,
        "problem": None,
        "created_by": caller.actor,
        "ready_at": tx.now if is_ready else None,
    }


def _ready(tx: Transaction, build: BuildRow, lock: Blob, actor: str) -> Done[bool]:
    values = {"state": BuildState.READY, "lock_digest": lock.sha256, "problem": None, "ready_at": tx.now}
    if not rows.move_build(tx, build.workspace_id, build.id, _UNFINISHED, values):
        return Done(result=False)
    rows.own_blobs(tx, build.workspace_id, {lock.sha256: lock.size_bytes})
    # What runners said so far was about resolving; preparing is a new question.
    preparation_rows.forget(tx, build.workspace_id, build.id)
    _record(tx, show(tx, build.workspace_id, build.id), actor, BuildState(build.state))
    workspace_id = build.workspace_id
    return Done(True, [RefreshDesired(workspace_id=workspace_id), WakeDispatch(workspace_id=workspace_id)])


def _version_used(known: BuildRow, new: NewBuild) -> Conflict:
    same_bytes = known.digest == new.digest
    reason = "would be started differently" if same_bytes else "holds other files"
    return Conflict(
        "version_used",
        f"Version {new.version} of {new.bot} was deployed already and {reason}. A version never changes: "
        "deploy under another one (--version, or the package's VERSION file).",
        {"bot": new.bot, "version": new.version, "digest": known.digest, "deployed": new.digest},
    )


def _record(tx: Transaction, build: BuildRow, actor: str, old: BuildState | None) -> None:
    data = {"bot": build.bot, "version": build.version, "digest": build.digest, "kind": build.kind}
    tx.record(
        NewEvent(
            workspace_id=build.workspace_id,
            kind=f"build.{build.state}",
            subject=build.id,
            actor=actor,
            old=old,
            new=build.state,
            data=data | ({"problem": build.problem} if build.problem else {}),
        )
    )
