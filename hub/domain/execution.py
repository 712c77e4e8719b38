"""An execution: one attempt of a task on one runner; its states, and what the hub may conclude of it (core.md §1).

::

    granted --started--> running --exit--> ending --settled--> finished
       |  |                 '-------lost, forced cancel------> finished
       |  '--lost, forced cancel--> finished
       '--void, absent--> void          (never started: not an attempt)

A permit ends only by ``started`` or a later fact, ``void``, valid absence, ``lost_after`` under ``stop``, 24 h under
``keep``, or an operator (D8). `conclude` is the table of D9; *link gone* means: no session of that home id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.wire.limits import QUERY_AFTER_S, QUERY_GIVE_UP_S
from agent.wire.words import ExecutionState, OnDisconnect
from hub.domain.task import IllegalMove

KEEP_LOST_S = 24 * 3600.0
"""Under `keep`, an unreachable execution is given up after this long (G3)."""
ALERT_AFTER_S = 120.0
"""A person is asked to look when a runner that may run something is gone for this long (P7)."""
STOP_ANSWER_S = 30.0
"""A stop not taken note of within this is sent again; after twice this the session is closed (D9)."""


class ExecutionEvent(StrEnum):
    """What can happen to an execution's state."""

    STARTED = "started"
    VOID = "void"
    ABSENT = "absent"
    EXIT = "exit"
    SETTLED = "settled"
    LOST = "lost"
    FORCED = "forced"


TRANSITIONS: Mapping[tuple[ExecutionState, ExecutionEvent], ExecutionState] = {
    (ExecutionState.GRANTED, ExecutionEvent.STARTED): ExecutionState.RUNNING,
    (ExecutionState.GRANTED, ExecutionEvent.VOID): ExecutionState.VOID,
    (ExecutionState.GRANTED, ExecutionEvent.ABSENT): ExecutionState.VOID,
    (ExecutionState.GRANTED, ExecutionEvent.LOST): ExecutionState.FINISHED,
    (ExecutionState.GRANTED, ExecutionEvent.FORCED): ExecutionState.FINISHED,
    (ExecutionState.RUNNING, ExecutionEvent.EXIT): ExecutionState.ENDING,
    (ExecutionState.RUNNING, ExecutionEvent.LOST): ExecutionState.FINISHED,
    (ExecutionState.RUNNING, ExecutionEvent.FORCED): ExecutionState.FINISHED,
    (ExecutionState.ENDING, ExecutionEvent.SETTLED): ExecutionState.FINISHED,
    (ExecutionState.ENDING, ExecutionEvent.LOST): ExecutionState.FINISHED,
    (ExecutionState.ENDING, ExecutionEvent.FORCED): ExecutionState.FINISHED,
}

LIVE = frozenset({ExecutionState.GRANTED, ExecutionState.RUNNING, ExecutionState.ENDING})


def move(execution_id: str, state: ExecutionState, event: ExecutionEvent) -> ExecutionState:
    """The state that follows. Raises IllegalMove where there is none."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise IllegalMove(execution_id, state, event)
    return following


class Action(StrEnum):
    """What the hub does by itself (D9)."""

    QUERY = "query"
    CLOSE_SESSION = "close_session"
    ALERT_UNREACHABLE = "alert_unreachable"
    SETTLE_LOST = "settle_lost"
    SETTLE = "settle"
    GRANT_AGAIN = "grant_again"
    SEND_STOP = "send_stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the hub knows of an execution that is not settled. Times in seconds, counted by the clock that D10 names."""

    state: ExecutionState | None
    """None: no permit was ever committed."""
    link_up: bool = True
    granted_s: float = 0.0
    """Since the permit was committed."""
    queried: bool = False
    gone_s: float = 0.0
    """Since the link went, from the stored `unreachable_since` (`keep`)."""
    watched_s: float = 0.0
    """The part of that time in which this hub was up: after its start an alert waits anew (P7)."""
    silent_s: float = 0.0
    """Since the last heartbeat was received, from zero after a hub start, suspend included (`stop`)."""
    on_disconnect: OnDisconnect = OnDisconnect.KEEP
    lost_after_s: float = 600.0
    revoked: bool = False
    stop_unanswered_s: float | None = None
    """Since a stop was asked in this session that no fact has answered; None: none is open."""
    stop_repeated: bool = False


def conclude(known: Situation) -> tuple[Action, ...]:
    """D9: what the hub does by itself. An empty tuple means: it may conclude nothing, and waits."""
    match known.state:
        case None | ExecutionState.VOID:
            return (Action.GRANT_AGAIN,)
        case ExecutionState.FINISHED:
            return ()
        case ExecutionState.ENDING:
            return (Action.SETTLE,)
        case _:
            return _of_link_up(known) if known.link_up else _of_link_gone(known)


def _of_link_up(known: Situation) -> tuple[Action, ...]:
    if known.state is ExecutionState.GRANTED:
        if known.granted_s >= QUERY_GIVE_UP_S:
            return (Action.CLOSE_SESSION,)
        if known.granted_s >= QUERY_AFTER_S and not known.queried:
            return (Action.QUERY,)
    if known.stop_unanswered_s is None or known.stop_unanswered_s < STOP_ANSWER_S:
        return ()
    return (Action.CLOSE_SESSION,) if known.stop_repeated else (Action.SEND_STOP,)


def _of_link_gone(known: Situation) -> tuple[Action, ...]:
    if known.revoked:
        return (Action.SETTLE_LOST,)
    if known.on_disconnect is OnDisconnect.STOP and known.silent_s >= known.lost_after_s:
        return (Action.SETTLE_LOST,)
    if known.on_disconnect is OnDisconnect.KEEP and known.gone_s >= KEEP_LOST_S:
        return (Action.SETTLE_LOST,)
    return (Action.ALERT_UNREACHABLE,) if known.watched_s >= ALERT_AFTER_S else ()
