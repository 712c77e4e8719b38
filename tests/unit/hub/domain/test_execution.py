"""The states of an execution, and D9's table row by row."""
# ruff: noqa: E501 - one row of the table on one line

import itertools

import pytest

from agent.wire.words import ExecutionState, OnDisconnect
from hub.domain.execution import TRANSITIONS, Action, ExecutionEvent, Situation, conclude, move
from hub.domain.task import IllegalMove

GRANTED, RUNNING, ENDING = ExecutionState.GRANTED, ExecutionState.RUNNING, ExecutionState.ENDING
DAY = 24 * 3600.0


def situation(state: ExecutionState | None, **rest: object) -> Situation:
    return Situation(state=state, **rest)  # type: ignore[arg-type]  # the fields that a row names


def gone(state: ExecutionState, **rest: object) -> Situation:
    return situation(state, link_up=False, **rest)


STOP = OnDisconnect.STOP

# fmt: off
D9: list[tuple[str, Situation, tuple[Action, ...]]] = [
    ("no permit committed: grant elsewhere at any time", situation(None), (Action.GRANT_AGAIN,)),
    ("permit, link up, no answer, 4 s: nothing", situation(GRANTED, granted_s=4.0), ()),
    ("permit, link up, no answer, 5 s: Query", situation(GRANTED, granted_s=5.0), (Action.QUERY,)),
    ("asked once is enough", situation(GRANTED, granted_s=20.0, queried=True), ()),
    ("unanswered 60 s: close the session", situation(GRANTED, granted_s=60.0, queried=True), (Action.CLOSE_SESSION,)),
    ("permit, link gone, 119 s: nothing", gone(GRANTED, gone_s=119.0, watched_s=119.0), ()),
    ("permit, link gone, 2 min: an alert (P7)", gone(GRANTED, gone_s=120.0, watched_s=120.0), (Action.ALERT_UNREACHABLE,)),
    ("an alert waits anew after a hub start (P7)", gone(RUNNING, gone_s=5000.0, watched_s=119.0), ()),
    ("permit, link gone, keep, 24 h: lost", gone(GRANTED, gone_s=DAY), (Action.SETTLE_LOST,)),
    ("permit, link gone, keep, 23 h: not yet", gone(GRANTED, gone_s=DAY - 3600), ()),
    ("revoked runner: lost at once", gone(GRANTED, revoked=True), (Action.SETTLE_LOST,)),
    ("void, or valid absence: grant again", situation(ExecutionState.VOID), (Action.GRANT_AGAIN,)),
    ("started, link gone, keep: the same 24 h", gone(RUNNING, gone_s=DAY), (Action.SETTLE_LOST,)),
    ("started, link gone, keep: lost_after is not for it", gone(RUNNING, gone_s=700, silent_s=700), ()),
    ("started, stop, lost_after passed", gone(RUNNING, on_disconnect=STOP, silent_s=600.0), (Action.SETTLE_LOST,)),
    ("permit out, stop, lost_after passed", gone(GRANTED, on_disconnect=STOP, silent_s=600.0), (Action.SETTLE_LOST,)),
    ("stop: the stored time does not count", gone(RUNNING, on_disconnect=STOP, gone_s=DAY, silent_s=9.0), ()),
    ("started, link up, and nothing more: nothing", situation(RUNNING, granted_s=DAY), ()),
    ("stop asked, 29 s: nothing", situation(RUNNING, stop_unanswered_s=29.0), ()),
    ("stop asked, no fact in 30 s: send again", situation(RUNNING, stop_unanswered_s=30.0), (Action.SEND_STOP,)),
    ("then close the session", situation(RUNNING, stop_unanswered_s=30.0, stop_repeated=True), (Action.CLOSE_SESSION,)),
    ("ended: settle", situation(ENDING), (Action.SETTLE,)),
    ("ended, link gone: settle all the same", gone(ENDING, gone_s=DAY), (Action.SETTLE,)),
    ("settled: nothing ever", situation(ExecutionState.FINISHED, link_up=False, gone_s=DAY), ()),
]
# fmt: on


@pytest.mark.parametrize(("row", "known", "actions"), D9, ids=[row for row, _, _ in D9])
def test_the_hub_concludes_no_more_than_d9_allows(row: str, known: Situation, actions: tuple[Action, ...]) -> None:
    assert actions == conclude(known)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(ExecutionState, ExecutionEvent)))
def test_every_state_meets_every_event(state: ExecutionState, event: ExecutionEvent) -> None:
    """A move is in the table or it raises with from and event; nothing leaves `finished` or `void`."""
    if (state, event) in TRANSITIONS:
        assert state not in (ExecutionState.FINISHED, ExecutionState.VOID)
        assert move("exe_1", state, event) is TRANSITIONS[state, event]
        return
    with pytest.raises(IllegalMove) as raised:
        move("exe_1", state, event)
    assert ("exe_1", state, event) == (raised.value.subject, raised.value.state, raised.value.event)


def test_never_started_is_only_said_before_started() -> None:
    """core.md D1: `void` and `started` exclude each other."""
    to_void = {state for (state, _), to in TRANSITIONS.items() if to is ExecutionState.VOID}
    assert {GRANTED} == to_void
