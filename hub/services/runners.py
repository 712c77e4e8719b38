"""Runners: enrolled, connected, drained, revoked, shown (core.md D5, D8, D9; reliability.md S1, S3, S5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from agent.wire.condition import Condition
from agent.wire.enrolment import EnrolmentRequest
from agent.wire.messages import Drain, Hello
from agent.wire.words import ExecutionState
from hub.domain.access import secret_hash
from hub.domain.automation import label_faults
from hub.domain.condition import read as read_condition
from hub.domain.execution import ExecutionEvent
from hub.domain.placement import labels_of
from hub.domain.runner_name import name_faults
from hub.domain.window import Window, open_at
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.services import held, settlement
from hub.services.effects import CloseSession, DrainRunner, RefreshDesired, SendToRunner, WakeDispatch
from hub.services.quarantine import FAILING
from hub.services.subject import SessionKey
from hub.storage import alerts, executions, windows
from hub.storage import held as held_rows
from hub.storage import runners as rows
from hub.storage.runners import Ended, RunnerRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

UNREACHABLE = "runner_unreachable"
STALE = "runner_answers_late"
QUARANTINED = "runner_quarantined"
_ALERTED = {UNREACHABLE: "runner.unreachable", STALE: "runner.answers_late"}
"""The event of an alert, by the alert's kind."""
_TRUSTED = {"benched_at": None, "quarantine_reason": None, "failed_in_a_row": 0, "failing": None}
_NO_DRAIN = {"drain_reason": None, "drained_by": None, "drained_at": None}
QUARANTINE_REMEDY = "botyard-agent enroll --again there, with a new token, then botyard runner revoke this one."


class RunnerState(StrEnum):
    """How a runner stands, for people."""

    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    """Enrolled, without a session."""
    QUARANTINED = "quarantined"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerView:
    """A runner as adapters show it."""

    id: str
    workspace_id: str
    name: str
    state: RunnerState
    draining: bool
    drain_reason: str | None
    drained_by: str | None
    drained_at: datetime | None
    labels: Mapping[str, str]
    slots: int
    agent_version: str | None
    platform: Mapping[str, str]
    connected_at: datetime | None
    last_seen_at: datetime | None
    unreachable_since: datetime | None
    created_at: datetime
    running: int
    """Executions that have not settled."""
    quarantined_at: datetime | None
    quarantine_reason: str | None
    is_linked: bool
    """It has a session; one of two copies of a home counts for none."""
    is_copied: bool
    """Its home was seen twice: only a new enrolment cures it; other quarantines end with `resume`."""
    revoked_at: datetime | None = None
    window: Window | None = None
    """The maintenance window that it is in now."""
    condition: Condition | None = None
    """Its desktops, applications and faults, as it told them last."""
    condition_at: datetime | None = None
    """Since when it is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledView:
    """What enrolment gives: the runner, and its workspace's label."""

    runner: RunnerView
    workspace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was opened."""

    key: SessionKey
    name: str
    workspace: str
    labels: Mapping[str, str]
    draining: bool
    store_id: str
    must_show: bool
    """The store was restored: this runner has to tell its tombstones too (R20)."""


# --- a machine becomes a runner ---


def enrol(tx: Transaction, secret: str, request: EnrolmentRequest) -> Done[EnrolledView]:
    """Use up an enrolment token, add the runner. Raises Forbidden (the token), Invalid (labels), Conflict (the name).

    The token's labels win over the machine's own, its name over the asked one. What is refused uses nothing up.
    """
    runner_id = tx.new_id("rnr")
    token = rows.use_token(tx, secret_hash(secret), runner_id)
    if token is None:
        text = "This enrolment token is unknown, used up or too old: botyard runner token makes one."
        raise Forbidden("bad_enrolment_token", text)
    name = token.name or request.name
    faults = [*name_faults(name), *label_faults("labels", request.labels)]
    if faults:
        raise Invalid("labels", f"{faults[0].field}: {faults[0].message} ({faults[0].remedy}).")
    values = {
        "name": name,
        "public_key": request.key,
        "home_id": request.home_id,
        "fingerprint": request.fingerprint,
        "labels": {**request.labels, **token.labels},
        "slots": request.slots,
        "state": "enrolled",
        "agent_version": request.agent_version,
        "platform": request.platform,
    }
    _free_name(tx, token.workspace_id, name)
    if not rows.insert(tx, token.workspace_id, runner_id, values):
        raise Conflict("name_used", f"There is a runner {name!r} already. Give --name, or revoke that one first.")
    _record(tx, token.workspace_id, runner_id, "runner.enrolled", f"enrolment:{token.id}", data={"name": name})
    refresh = RefreshDesired(workspace_id=token.workspace_id, runner_id=runner_id)
    return Done(EnrolledView(runner=show(tx, token.workspace_id, runner_id), workspace=token.workspace), [refresh])


def _free_name(tx: Transaction, workspace_id: str, name: str) -> None:
    """A revoked runner keeps its row and gives its name away."""
    known = rows.named(tx, workspace_id, name)
    if known is not None and known.state == "revoked":
        rows.rename_revoked(tx, workspace_id, known.id, f"{name} (revoked {known.id[-6:]})")


# --- sessions ---


def known(tx: Transaction, runner_id: str) -> RunnerRow | None:
    """The runner that says hello, whatever its workspace; its key proves the rest."""
    return rows.find(tx, runner_id)


def open_session(tx: Transaction, workspace_id: str, hello: Hello, hub_id: str) -> Done[Opened | None]:
    """Allot the next epoch to a hello that was verified; None when the guard does not hold any more (D5, D8).

    A hello that names a commit position which this store never reached shows that an old copy of it was put back.
    """
    effects = held.hold_if_older(tx, hello)
    values = {
        "joined": hello.join,
        "known": hello.last_epoch,
        "hub": hub_id,
        "boot": hello.boot_id,
        "version": hello.agent_version,
        "machine": hello.platform,
        "width": max(1, hello.slots),
    }
    epoch = rows.open_session(tx, workspace_id, hello.runner_id, values)
    if epoch is None:
        return Done(None, effects)
    runner = rows.get(tx, workspace_id, hello.runner_id)
    assert runner is not None
    session = {"runner_id": runner.id, "epoch": epoch, "home_id": hello.home_id, "hub_id": hub_id}
    rows.insert_session(tx, workspace_id, session)
    alerts.resolve(tx, workspace_id, UNREACHABLE, runner.id)
    _record(tx, workspace_id, runner.id, "runner.connected", f"runner:{runner.id}", data={"epoch": epoch})
    opened = Opened(
        key=SessionKey(workspace_id=workspace_id, runner_id=runner.id, epoch=epoch),
        name=runner.name,
        workspace=rows.workspace_label(tx, workspace_id),
        labels=labels_of(runner.name, runner.labels),
        draining=runner.draining,
        store_id=held_rows.store_id(tx),
        must_show=held.must_show(tx, workspace_id, runner.id),
    )
    return Done(opened, effects)


def close_session(tx: Transaction, session: SessionKey, why: str, silent_s: float = 0.0) -> Done[bool]:
    """Note that a session ended, `silent_s` after its last byte. False when it was not the newest.

    Its runner is unreachable since that byte, not since somebody noticed (R42).
    """
    since = tx.now - timedelta(seconds=silent_s)
    if not rows.close_session(tx, session.workspace_id, session.runner_id, session.epoch, Ended(since=since, why=why)):
        return Done(result=False)
    _record(
        tx,
        session.workspace_id,
        session.runner_id,
        "runner.disconnected",
        f"runner:{session.runner_id}",
        data={"epoch": session.epoch, "why": why, "unreachable_since": since.isoformat()},
    )
    return Done(result=True)


def close_sessions_of(tx: Transaction, hub_id: str) -> Done[int]:
    """At a hub's start: the sessions of its last life are over."""
    ended = rows.open_at(tx, hub_id)
    for workspace_id, runner_id, epoch in ended:
        close_session(tx, SessionKey(workspace_id=workspace_id, runner_id=runner_id, epoch=epoch), "hub restarted")
    return Done(len(ended))


def quarantine(tx: Transaction, workspace_id: str, runner_id: str, why: str) -> Done[None]:
    """A join counter that did not grow: two machines run one home (S3). Only a new enrolment cures it.

    The session that is open may be either's: its bots go on, and it gets no new work.
    """
    effects: list[Effect] = [DrainRunner(runner_id=runner_id, on=True)]
    if rows.change(tx, workspace_id, runner_id, {"quarantined_at": tx.now, "quarantine_reason": why, "draining": True}):
        _record(tx, workspace_id, runner_id, "runner.quarantined", f"runner:{runner_id}", data={"why": why})
        alerts.raise_alert(tx, workspace_id, QUARANTINED, runner_id, why)
    return Done(None, effects)


def alert(tx: Transaction, workspace_id: str, runner_id: str, kind: str, message: str) -> Done[None]:
    """Ask a person to look at a runner, once."""
    if alerts.raise_alert(tx, workspace_id, kind, runner_id, message):
        _record(tx, workspace_id, runner_id, _ALERTED[kind], "hub", data={"message": message})
    return Done(None)


# --- operated ---


def drain(  # noqa: PLR0913 - which, who and why
    tx: Transaction, workspace_id: str, runner_id: str, actor: str, *, on: bool, reason: str = ""
) -> Done[RunnerView]:
    """Give it no new work, or give it work again; its bots are left alone. Raises Conflict for a copied one.

    Work again ends a quarantine for failures too: whoever says so has mended the machine.

    The reason stays with the runner until it gets work again. One that drains already keeps since when and by whom, and
    its reason unless another is given.
    """
    runner = _get(tx, workspace_id, runner_id)
    effects: list[Effect] = []
    if not on and runner.quarantined_at is not None:
        raise Conflict("quarantined", f"{runner.name} is quarantined: {QUARANTINE_REMEDY}")
    if not on and runner.benched_at is not None:
        effects += _trust_again(tx, runner, actor)
    if on and runner.draining and reason and reason != runner.drain_reason:
        rows.change(tx, workspace_id, runner.id, {"drain_reason": reason})
        _record(tx, workspace_id, runner.id, "runner.draining", actor, data={"reason": reason})
    why = {"drain_reason": reason or None, "drained_by": actor, "drained_at": tx.now} if on else _NO_DRAIN
    if runner.draining != on and rows.change(tx, workspace_id, runner.id, {"draining": on, **why}):
        data = {"reason": reason} if reason else None
        _record(tx, workspace_id, runner.id, "runner.draining" if on else "runner.resumed", actor, data=data)
        effects.append(DrainRunner(runner_id=runner.id, on=on))
        if runner.session_epoch is not None:
            message = Drain(on=on)
            effects.append(SendToRunner(runner_id=runner.id, epoch=runner.session_epoch, message=message))
        if not on:
            effects.append(WakeDispatch(workspace_id=workspace_id))
    return Done(show(tx, workspace_id, runner.id), effects)


def _trust_again(tx: Transaction, runner: RunnerRow, actor: str) -> list[Effect]:
    rows.change(tx, runner.workspace_id, runner.id, _TRUSTED)
    alerts.resolve(tx, runner.workspace_id, FAILING, runner.id)
    _record(tx, runner.workspace_id, runner.id, "runner.resumed", actor, data={"quarantine": runner.quarantine_reason})
    return [DrainRunner(runner_id=runner.id, on=False), WakeDispatch(workspace_id=runner.workspace_id)]


def revoke(tx: Transaction, workspace_id: str, runner_id: str, actor: str) -> Done[RunnerView]:
    """Cut it off for ever: its socket within 5 s (S5), what it ran is lost at once (D9). Its id is never used again."""
    runner = _get(tx, workspace_id, runner_id)
    if runner.state == "revoked":
        return Done(show(tx, workspace_id, runner.id))
    if runner.session_epoch is not None:
        key = SessionKey(workspace_id=workspace_id, runner_id=runner.id, epoch=runner.session_epoch)
        close_session(tx, key, "revoked")
    rows.change(tx, workspace_id, runner.id, {"state": "revoked", "revoked_at": tx.now})
    _record(tx, workspace_id, runner.id, "runner.revoked", actor)
    alerts.resolve(tx, workspace_id, UNREACHABLE, runner.id)
    effects: list[Effect] = [CloseSession(runner_id=runner.id, epoch=None, reason="revoked", message="revoked")]
    for execution in executions.live_of_runner(tx, workspace_id, runner.id):
        # What has ended settles as it ended (D9); only its output will never be whole.
        is_ending = execution.state == ExecutionState.ENDING
        event = ExecutionEvent.SETTLED if is_ending else ExecutionEvent.LOST
        effects += settlement.conclude(tx, execution, event, cause="runner revoked")
    return Done(show(tx, workspace_id, runner.id), effects)


# --- shown ---


def show(tx: Transaction, workspace_id: str, runner_id: str) -> RunnerView:
    """The runner of that id or name. Raises NotFound."""
    row = _get(tx, workspace_id, runner_id)
    return _view(tx, row, open_at(windows.of_runner(tx, workspace_id, row.id, tx.now), tx.now))


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[RunnerView]:
    """Runners in order of name, those behind the name `after`."""
    known = windows.to_come(tx, workspace_id)
    found = rows.page(tx, workspace_id, after, limit)
    return [_view(tx, row, open_at(known.get(row.id, ()), tx.now)) for row in found]


def _get(tx: Transaction, workspace_id: str, runner_id: str) -> RunnerRow:
    row = rows.get(tx, workspace_id, runner_id, lock=not tx.readonly) or rows.named(tx, workspace_id, runner_id)
    if row is None:
        told = f"There is no runner {runner_id[:64]!r} here. `botyard runner list` shows all."
        raise NotFound("no_runner", told, {"name": runner_id[:64]})
    return row


def _view(tx: Transaction, row: RunnerRow, window: Window | None) -> RunnerView:
    return RunnerView(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        state=_state(row),
        draining=row.draining,
        drain_reason=row.drain_reason,
        drained_by=row.drained_by,
        drained_at=row.drained_at,
        quarantined_at=row.quarantined_at or row.benched_at,
        quarantine_reason=row.quarantine_reason,
        is_linked=row.session_epoch is not None and row.quarantined_at is None,
        is_copied=row.quarantined_at is not None,
        labels=row.labels,
        slots=row.slots,
        agent_version=row.agent_version,
        platform=row.platform or {},
        connected_at=row.connected_at,
        last_seen_at=row.last_seen_at,
        unreachable_since=row.unreachable_since,
        created_at=row.created_at,
        running=len(executions.live_of_runner(tx, row.workspace_id, row.id)),
        revoked_at=row.revoked_at,
        window=window,
        condition=read_condition(row.condition),
        condition_at=row.condition_at,
    )


def _state(row: RunnerRow) -> RunnerState:
    if row.state == "revoked":
        return RunnerState.REVOKED
    if row.quarantined_at is not None or row.benched_at is not None:
        return RunnerState.QUARANTINED
    return RunnerState.CONNECTED if row.session_epoch is not None else RunnerState.UNREACHABLE


def _record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    workspace_id: str,
    runner_id: str,
    kind: str,
    actor: str,
    *,
    data: Mapping[str, Any] | None = None,
) -> None:
    event = NewEvent(
        workspace_id=workspace_id, kind=kind, subject=runner_id, actor=actor, runner_id=runner_id, data=data
    )
    tx.record(event)
