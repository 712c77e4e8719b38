"""File triggers: what runners are to watch, and what becomes of the files that they tell (R65).

Each file makes one task. It is settled under the trigger's row lock together with its task, and a runner repeats what
was not answered, so it does not matter who dies when. What is settled is kept as long as a runner still sees the file,
and a month longer: a line of the history may go sooner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.wire.watching import FilesFound, FolderTold, FoundFile, WatchedFolder
from hub.domain.file_trigger import (
    GONE_FOR,
    LOST_FOR,
    MEMBERS,
    PARAMETER,
    Existing,
    FileRule,
    Mark,
    cause_of,
    device_of,
    faults_of,
    identity_of,
    is_meant,
    known_as,
    read_rule,
    watched,
)
from hub.domain.parameters import Fault
from hub.domain.placement import RUNNER
from hub.domain.trigger import COMMON_MEMBERS, FiringOutcome, TriggerKind, TriggerState
from hub.services import firing
from hub.services.effects import RefreshWatched
from hub.services.facts import guard
from hub.services.firing import Cause
from hub.services.schedules import Prepared
from hub.services.subject import SessionKey
from hub.storage import runners, triggers
from hub.storage import watched_files as rows
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.triggers import TriggerRow

FOLDERS_MAX = 1000
"""Of one runner; those behind are not watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of files that were told."""

    is_refused: bool = False
    """None was taken: the trigger is not that runner's, or not so any more."""
    again: Sequence[int] = ()
    """Places of those that made no task and are to be told again later."""


# --- defined ---


def merge(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with changed members; None takes one away."""
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def prepare(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None) -> Prepared:
    """Check a definition, all faults at once, and name the runner that watches from now on."""
    said = {name: value for name, value in definition.items() if name in {*MEMBERS, *COMMON_MEMBERS}}
    faults = faults_of(said)
    remedy = f"known are {', '.join(MEMBERS)}"
    unknown = sorted(set(definition) - set(said))
    faults += [Fault(field=name, message="means nothing for files", remedy=remedy) for name in unknown]
    if calendar_id is not None:
        faults.append(Fault(field="calendar", message="means nothing for files", remedy="leave it out"))
    name: Any = said.get("runner")
    runner = runners.named(tx, workspace_id, name) if isinstance(name, str) and name else None
    if isinstance(name, str) and name and (runner is None or runner.state == "revoked"):
        message = f"there is no runner {name[:64]!r}"
        faults.append(Fault(field="runner", message=message, remedy="botyard runner list shows all"))
    if faults:
        return Prepared(faults=faults)
    return Prepared(definition=said, columns={"next_at": None, "runner": name})


def brought(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a file will bring, with an example of a value."""
    name = definition.get("parameter") or PARAMETER
    return {name: str(definition.get("folder"))} if isinstance(name, str) else {}


# --- watched ---


def folders_of(tx: Transaction, workspace_id: str, runner_id: str) -> list[WatchedFolder]:
    """All that a runner should watch now."""
    found = rows.of_runner(tx, workspace_id, runner_id, FOLDERS_MAX)
    return [watched(read_rule(row.definition), row.id, row.watched_revision) for row in found]


def troubles(tx: Transaction, row: TriggerRow) -> str | None:
    """Why nothing is watched for a trigger of files, or not all of it; None while all is well."""
    if row.runner is None or row.kind != TriggerKind.FILE:
        return None
    runner = runners.named(tx, row.workspace_id, row.runner)
    if runner is None or runner.state == "revoked":
        return f"there is no runner {row.runner} any more"
    if runner.session_epoch is None:
        since = runner.unreachable_since or runner.created_at
        return f"runner {row.runner} has not been connected since {since:%Y-%m-%d %H:%M} UTC"
    if row.trouble:
        return f"{row.trouble}, on runner {row.runner}"
    if row.state == TriggerState.ACTIVE and row.watched_revision != read_rule(row.definition).revision:
        return f"runner {row.runner} has not looked there yet"
    return None


def told(tx: Transaction, session: SessionKey, news: FolderTold) -> Done[bool]:
    """Note how a folder is; a trouble that changes again and again is noted once a minute, the last text shown.

    False when the trigger is not that runner's, or not so any more; or when it is in trouble for a second time within a
    minute: the runner tells again, so what lasts is noted. Raises SessionOver.
    """
    row = _of_session(tx, session, news)
    if row is None:
        return Done(result=False)
    is_noted = bool(news.trouble) and triggers.is_known(tx, row, _trouble_key(tx))
    if is_noted and row.trouble is None:
        return Done(result=False)
    actor = f"runner:{session.runner_id}"
    values: dict[str, Any] = {}
    if (news.trouble or None) != row.trouble:
        values = {"trouble": news.trouble or None, "trouble_since": tx.now if news.trouble else None}
        if news.trouble and not is_noted:
            _note_trouble(tx, row, news.trouble, actor)
        elif not news.trouble:
            firing.record(tx, row, "trigger.watching", actor, data={"was": row.trouble})
    effects: list[Effect] = []
    if news.device is not None:
        values |= {"watched_at": tx.now, "watched_revision": news.revision}
        if not news.trouble:
            rows.forget(tx, row, device_of(news.device), gone=tx.now - GONE_FOR, lost=tx.now - LOST_FOR)
        triggers.forget(tx, row, tx.now - firing.KEPT)
        if row.watched_revision != news.revision:
            _note_left(tx, row, news.files)
            firing.record(tx, row, "trigger.watching", actor, data={"files": news.files})
            effects.append(RefreshWatched(workspace_id=row.workspace_id, runner_id=session.runner_id))
    if values:
        triggers.progress(tx, row, values)
    return Done(True, effects)


def take(tx: Transaction, session: SessionKey, news: FilesFound, first: int, count: int) -> Done[Taken]:
    """Settle files `first` to `first + count` of a message: each new one makes its task. Raises SessionOver."""
    row = _of_session(tx, session, news)
    if row is None:
        return Done(Taken(is_refused=True))
    files = list(enumerate(news.files))[first : first + count]
    marks = rows.marks(tx, row, {identity_of(file) for _, file in files})
    rule, again, kept, effects = read_rule(row.definition), list[int](), list[Mark](), list[Effect]()
    failed = row.failed_in_a_row
    for place, file in files:
        is_known = known_as(file, [*marks, *kept]) is not None
        fired, more = (None, []) if is_known else _come(tx, row, rule, file, failed)
        effects += more
        if fired is None or fired.outcome is not FiringOutcome.FAILED:
            failed = failed if fired is None else 0
            kept.append(_mark(tx, file))
            continue
        again.append(place)
        failed += 1
        if fired.is_off:
            again += [later for later, _ in files if later > place]
            effects.append(RefreshWatched(workspace_id=row.workspace_id, runner_id=session.runner_id))
            break
    rows.put(tx, row, kept)
    return Done(Taken(again=again), effects)


def _come(
    tx: Transaction, row: TriggerRow, rule: FileRule, file: FoundFile, failed: int
) -> tuple[firing.Fired | None, list[Effect]]:
    """What comes of a file that is not known; None for what is settled without a task."""
    key = cause_of(file)
    if file.was_there:
        return None, []
    if file.answered:
        firing.skip(tx, row, key, None, f"{file.path} was settled once and is not known any more")
        return None, []
    if not file.is_text:
        why = f"{file.path}: its name is no text, so no bot can be told it. Renamed, it makes its task"
        firing.skip(tx, row, key, None, why)
        return None, []
    if not is_meant(rule, file.path):
        why = f"{file.path} is none of the files that runner {rule.runner} is to tell: its name is given to no bot"
        firing.skip(tx, row, key, None, why)
        return None, []
    before = triggers.firing_of(tx, row, key)
    if before is not None and before[2] == FiringOutcome.FAILED:
        key = f"{key} {tx.new_id('try')}"  # what was in the way may be mended by now
    cause = Cause(
        key=key,
        parameters={rule.parameter: file.path},
        why=file.path,
        needs={} if rule.anywhere else {RUNNER: rule.runner},
    )
    return firing.fire(tx, row, cause, failed_before=failed, forgets=False)


def _mark(tx: Transaction, file: FoundFile) -> Mark:
    device = device_of(file.device)
    return Mark(identity=identity_of(file), device=device, path=file.path, seen_at=tx.now)


def _of_session(tx: Transaction, session: SessionKey, news: FilesFound | FolderTold) -> TriggerRow | None:
    """The trigger, locked, if it fires, and this runner watches just that for it."""
    guard(tx, session)
    runner = runners.get(tx, session.workspace_id, session.runner_id)
    row = triggers.by_id(tx, session.workspace_id, news.trigger_id, lock=True)
    if row is None or runner is None or row.kind != TriggerKind.FILE or row.runner != runner.name:
        return None
    is_so = read_rule(row.definition).revision == news.revision
    return row if row.state == TriggerState.ACTIVE and is_so else None


def _note_left(tx: Transaction, row: TriggerRow, files: int) -> None:
    if files and read_rule(row.definition).existing is Existing.IGNORE:
        why = f"{files} files lay there before and are left alone (existing: ignore)"
        firing.skip(tx, row, f"before {tx.new_id('frg')}", None, why)


def _note_trouble(tx: Transaction, row: TriggerRow, why: str, actor: str) -> None:
    """An event, and a line of the history: it is no failure of the trigger, and does not count as one."""
    firing.record(tx, row, "trigger.trouble", actor, data={"why": why})
    values = {"id": tx.new_id("frg"), "cause_key": _trouble_key(tx), "scheduled_for": None}
    values |= {"outcome": FiringOutcome.FAILED, "why": f"{why}, on runner {row.runner}", "task_id": None}
    triggers.insert_firing(tx, row, values)


def _trouble_key(tx: Transaction) -> str:
    """One line for each minute."""
    return f"trouble {tx.now:%Y-%m-%dT%H:%M}"
