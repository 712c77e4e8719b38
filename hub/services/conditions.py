"""How runners are: desktops, applications and what is wrong, as each of them tells (`agent/wire/condition.py`).

What a runner told last stays with it while it is away. The credit book hears the same words from the session itself,
before they are written: no credit waits for a disk.
"""

from typing import Any

from agent.wire.condition import Condition
from hub.domain import condition as conditions
from hub.services.effects import RefreshDesired, WakeDispatch
from hub.services.subject import SessionKey
from hub.storage import runners
from hub.storage.transaction import Done, NewEvent, Transaction

_FAULTS_MAX = 16
"""Of an event."""


def record(tx: Transaction, session: SessionKey, told: Condition) -> Done[bool]:
    """Write down how the runner of a session is, where that is news; of a session that is over nothing is taken."""
    key = (session.workspace_id, session.runner_id, session.epoch)
    known = runners.condition(tx, *key)
    if known is None:
        return Done(result=False)
    before, after = conditions.read(known.condition), conditions.settled(told, known.slots, tx.now)
    wrong = conditions.fault_list(after)
    if conditions.is_same(before, after) or not runners.put_condition(tx, key, after.model_dump(mode="json"), wrong):
        return Done(result=False)
    # Not with `before`, which ends with a version of the agent.
    if wrong != (known.faults_told or []):
        _record_faults(tx, session, known.name, before, after)
    refresh = RefreshDesired(workspace_id=session.workspace_id, runner_id=session.runner_id)
    return Done(True, [refresh, WakeDispatch(workspace_id=session.workspace_id)])


def _record_faults(tx: Transaction, session: SessionKey, name: str, before: Condition | None, now: Condition) -> None:
    """What stands now, and what has gone: a task that waited for its end is told so by this event alone."""
    faults, standing = _told(now), conditions.fault_keys(now)
    mended = [one for one in _told(before) if (one["slot"], one["code"], one["application"]) not in standing]
    tx.record(
        NewEvent(
            workspace_id=session.workspace_id,
            kind="runner.unfit" if faults else "runner.fit",
            subject=session.runner_id,
            actor=f"runner:{session.runner_id}",
            runner_id=session.runner_id,
            data={"name": name, "faults": faults[:_FAULTS_MAX], "mended": mended[:_FAULTS_MAX]},
        )
    )


def _told(condition: Condition | None) -> list[dict[str, Any]]:
    return [
        {
            "code": fault.code,
            "desktop": desktop.name if desktop else None,
            "slot": desktop.slot if desktop else None,
            "application": fault.application,
            "message": fault.message,
            "since": fault.since.isoformat(),
        }
        for desktop, fault in conditions.all_faults(condition)
    ]
