"""Builds brought to runners as desired state, and what runners tell of them (core.md §1: prepare is no phase).

Which builds: the released ones of bots whose automations a runner fits; and, for one fit runner at a time, those whose
requirement list the hub could not resolve itself.
"""

from collections.abc import Mapping

from agent.wire.messages import Desired, Preparation
from agent.wire.task import BuildReference, Launch
from agent.wire.words import BuildState, PreparationState
from hub.domain.condition import could_fit_as_stored
from hub.services import builds
from hub.services.effects import BuildPrepared, RefreshDesired, WakeDispatch
from hub.storage import builds as build_rows
from hub.storage import preparations as rows
from hub.storage.builds import BuildRow
from hub.storage.preparations import ConnectedRunner, PreparationRow, WantedBuild
from hub.storage.transaction import Done, Effect, NewEvent, Transaction


def desired(tx: Transaction, workspace_id: str, runner_id: str) -> Desired:
    """All builds that this connected runner should have; none when it has no session or is quarantined."""
    runner = rows.connected_one(tx, workspace_id, runner_id)
    if runner is None:
        return Desired()
    chosen = []
    for wanted in rows.wanted(tx, workspace_id):
        if wanted.resolve:
            # Only here are all of them looked at: each of a herd that comes back asks (R49).
            is_wanted = _resolver_of(tx, workspace_id, wanted, rows.connected(tx, workspace_id)) == runner_id
        else:
            is_wanted = any(_could_fit(runner, needs) for needs in wanted.needs)
        if is_wanted:
            chosen.append(_reference(wanted))
    return Desired(builds=tuple(chosen))


def record(tx: Transaction, workspace_id: str, runner_id: str, epoch: int, told: Preparation) -> Done[None]:
    """Write down how far a build has come on a runner, and let dispatch know when that changes what can be granted."""
    build = build_rows.build(tx, workspace_id, told.build_id)
    if build is None:
        return Done(None)
    values = {
        "state": told.state,
        "progress": told.progress,
        "message": told.message,
        "permanent": told.permanent and told.state is PreparationState.FAILED,
    }
    before = rows.state_on(tx, workspace_id, runner_id, told.build_id)
    rows.put(tx, workspace_id, runner_id, told.build_id, values)
    _record_change(tx, workspace_id, runner_id, told, before)
    effects: list[Effect] = [
        BuildPrepared(
            runner_id=runner_id,
            epoch=epoch,
            build_id=told.build_id,
            prepared=told.state is PreparationState.PREPARED,
        )
    ]
    if told.state in {PreparationState.PREPARED, PreparationState.FAILED}:
        effects.append(WakeDispatch(workspace_id=workspace_id))
    if told.state is PreparationState.FAILED and told.permanent and build.state == BuildState.RESOLVING:
        effects.extend(_next_resolver(tx, build, told.message))
    return Done(None, effects)


_KINDS = {
    PreparationState.FETCHING: "build.preparing",
    PreparationState.INSTALLING: "build.preparing",
    PreparationState.PREPARED: "build.prepared",
    PreparationState.FAILED: "build.prepare_failed",
}


def _record_change(
    tx: Transaction, workspace_id: str, runner_id: str, told: Preparation, before: PreparationState | None
) -> None:
    """An event where something new began or ended; how far it is meanwhile is no event."""
    kind = _KINDS.get(told.state)
    if kind is None or (before is not None and _KINDS.get(before) == kind):
        return
    event = NewEvent(
        workspace_id=workspace_id,
        kind=kind,
        subject=told.build_id,
        actor=f"runner:{runner_id}",
        old=before,
        new=told.state,
        runner_id=runner_id,
        data={"message": told.message} if told.message else None,
    )
    tx.record(event)


def resumed(tx: Transaction, workspace_id: str, runner_id: str, prepared: tuple[str, ...]) -> Done[None]:
    """Believe the inventory of a new session: what it does not name is not prepared there any more (R55)."""
    rows.keep_prepared(tx, workspace_id, runner_id, prepared)
    return Done(None)


def of_build(tx: Transaction, workspace_id: str, build_id: str) -> list[PreparationRow]:
    """How far the build has come on each runner that told. Raises NotFound for an unknown build."""
    builds.show(tx, workspace_id, build_id)
    return rows.of_build(tx, workspace_id, build_id)


def cannot_be_prepared(tx: Transaction, workspace_id: str, build_id: str) -> str | None:
    """Why no connected fit runner can prepare the build for good, in one runner's words; None while one still may.

    A task that wants such a build is `refused: environment` (core.md §1). With no fit runner connected nobody knows.
    """
    wanted = next((one for one in rows.wanted(tx, workspace_id) if one.build_id == build_id), None)
    if wanted is None or wanted.resolve:
        return None
    fit = {one.id for one in rows.connected(tx, workspace_id) if _is_fit(one, wanted)}
    failed = [one for one in rows.of_build(tx, workspace_id, build_id) if one.permanent and one.runner_id in fit]
    return f"{failed[0].runner}: {failed[0].message}" if fit and len(failed) == len(fit) else None


def _resolver_of(
    tx: Transaction, workspace_id: str, wanted: WantedBuild, connected: list[ConnectedRunner]
) -> str | None:
    """The one runner that shall resolve this build: the first that fits and has not failed at it for good."""
    failed = rows.failed_for_good(tx, workspace_id, wanted.build_id)
    return next((one.id for one in connected if one.id not in failed and _is_fit(one, wanted)), None)


def _is_fit(runner: ConnectedRunner, wanted: WantedBuild) -> bool:
    # A bot that has no automation yet may be resolved anywhere: nothing is known of what it needs.
    return not wanted.needs or any(_could_fit(runner, needs) for needs in wanted.needs)


def _could_fit(runner: ConnectedRunner, needs: Mapping[str, str]) -> bool:
    # A desktop that is locked is mended some time, and the build is there by then.
    return could_fit_as_stored(runner.labels, runner.condition, needs)


def _next_resolver(tx: Transaction, build: BuildRow, message: str) -> list[Effect]:
    """Hand a build that one runner can't resolve to the next; reject it when none is left."""
    workspace_id = build.workspace_id
    wanted = next(one for one in rows.wanted(tx, workspace_id) if one.build_id == build.id)
    if _resolver_of(tx, workspace_id, wanted, rows.connected(tx, workspace_id)) is not None:
        return [RefreshDesired(workspace_id=workspace_id)]
    rows.forget(tx, workspace_id, build.id)
    return list(builds.reject(tx, workspace_id, build.id, message).effects)


def _reference(wanted: WantedBuild) -> BuildReference:
    return BuildReference(
        build_id=wanted.build_id,
        digest=wanted.digest,
        bot=wanted.bot,
        version=wanted.version,
        launch=Launch.model_validate(wanted.launch),
        lock=wanted.lock_digest,
        resolve=wanted.resolve,
    )
