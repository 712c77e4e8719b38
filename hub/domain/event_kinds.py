"""Every kind of event there is in the feed: a closed list, so that a filter with a typing error is told, not silent.

A kind is ``family.what``; ``family.*`` names all of a family. Whoever records a new kind adds it here
(tests/unit/hub/domain/test_event_kinds.py looks through the sources).
"""

import difflib
from collections.abc import Iterable

from agent.wire.words import BuildState, ExecutionState, Outcome, StopCause, TaskState
from hub.domain.breaker import BreakerState
from hub.domain.item import ItemState
from hub.domain.journal import EffectState
from hub.domain.trigger import FiringOutcome, TriggerState

_PLAIN = """
artifact.attached artifact.missing artifact.replaced artifacts.asked
automation.created automation.edited automation.paused
bot.released
breaker.closed breaker.edited breaker.half_open breaker.opened
build.prepare_failed build.prepared build.preparing
calendar.created calendar.deleted calendar.edited
enrolment_token.created enrolment_token.revoked
execution.after_backup execution.granted execution.late_fact execution.settled execution.stopping execution.survivors
hold.stray
hub.certificate hub.read_only hub.writable
item.added item.cancel item.changed item.file_attached item.file_removed item.move item.refused item.requeue item.taken
items.added items.cancel items.move items.requeue
key.created key.revoked
queue.created queue.deleted queue.edited queue.emptied queue.finished queue.paused queue.resumed
resource.created resource.deleted resource.edited
runner.answers_late runner.connected runner.disconnected runner.draining runner.enrolled runner.fit
runner.holds_stranger runner.quarantined runner.resumed runner.revoked runner.screen_viewed runner.stranger_reported
runner.unfit runner.unreachable runner.window_added runner.window_removed
store.restored
task.amended task.cancel_forced task.created task.given_up task.interrupt_requested task.limits_changed
task.needs_person task.queued task.ran_since_backup task.released task.reported task.reported_late
task.restart_requested task.retried task.retry_refused task.settled task.skipped task.stopped_work
task.waiting_long
trigger.armed trigger.created trigger.deleted trigger.edited trigger.ended trigger.off trigger.paused trigger.resumed
trigger.secret_renewed trigger.trouble trigger.watching
workspace.created
"""
KINDS: frozenset[str] = frozenset(_PLAIN.split()).union(
    (f"build.{state}" for state in BuildState),
    (f"effect.{state}" for state in EffectState),
    (f"execution.{state}" for state in ExecutionState),
    (f"item.{state}" for state in ItemState),
    (f"task.{cause}_requested" for cause in StopCause),
    (f"trigger.{outcome}" for outcome in FiringOutcome),
)
FAMILIES = frozenset(kind.partition(".")[0] for kind in KINDS)
STATES: frozenset[str] = frozenset().union(
    *(map(str, words) for words in (Outcome, TaskState, ExecutionState, ItemState, BreakerState, BuildState)),
    map(str, TriggerState),
)
"""What something may have become: the words that a filter may ask for."""


def expand(patterns: Iterable[str]) -> frozenset[str]:
    """The kinds that patterns mean; nothing for what is none."""
    found: set[str] = set()
    for pattern in patterns:
        family, dot, what = pattern.partition(".")
        if what == "*":
            found.update(kind for kind in KINDS if kind.startswith(family + dot))
        elif pattern in KINDS:
            found.add(pattern)
    return frozenset(found)


def remedy_of(pattern: str) -> str:
    """What somebody may have meant who named a kind that is none."""
    family = pattern.partition(".")[0]
    near = difflib.get_close_matches(pattern, sorted({*KINDS, *(f"{one}.*" for one in FAMILIES)}), n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if family in FAMILIES:
        return f"there are {', '.join(sorted(kind for kind in KINDS if kind.startswith(family + '.')))}"
    return f"a kind as task.settled, or all of a family as task.*; families are {', '.join(sorted(FAMILIES))}"
