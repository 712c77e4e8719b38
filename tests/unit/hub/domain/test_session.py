"""What a runner is told of what it holds, and who may open a session (core.md D5, D8, §4)."""

import pytest

from agent.wire.messages import Held
from agent.wire.words import ExecutionState, OnDisconnect, StopCause
from hub.domain.session import EnrolledRunner, KnownExecution, Refusal, answer, refuse
from tests.support.work_world import HOME, hello_of

EXECUTION = "exe_" + "1" * 32
GRANTED, RUNNING, FINISHED, VOID = (
    ExecutionState.GRANTED,
    ExecutionState.RUNNING,
    ExecutionState.FINISHED,
    ExecutionState.VOID,
)


def holding(verdict: str = "started", *, ended: bool = False) -> Held:
    values = {"execution_id": EXECUTION, "fence": 1, "verdict": verdict, "last_fact": 0, "output_bytes": 0}
    return Held.model_validate({**values, "ended": ended})


def known(state: ExecutionState, **rest: object) -> KnownExecution:
    values: dict[str, object] = {"is_current": True, "is_lost": False, "on_disconnect": OnDisconnect.KEEP}
    return KnownExecution(state=state, **{"is_whole": False, **values, **rest})  # type: ignore[arg-type]


ANSWERS: list[tuple[str, Held, KnownExecution | None, str, StopCause | None]] = [
    ("a stranger", holding(), None, "stop", StopCause.SUPERSEDED),
    ("unsettled", holding(), known(RUNNING), "continue", None),
    ("an order without an answer", holding("none"), known(GRANTED), "continue", None),
    ("a void that the hub has not heard", holding("void"), known(GRANTED), "continue", None),
    ("a stop was asked", holding(), known(RUNNING, stop=StopCause.KILL), "stop", StopCause.KILL),
    ("a stop was asked, it ended", holding(ended=True), known(RUNNING, stop=StopCause.KILL), "continue", None),
    ("void on both sides", holding("void"), known(VOID), "forget", None),
    ("settled, whole", holding(ended=True), known(FINISHED, is_whole=True), "forget", None),
    ("settled, output missing", holding(ended=True), known(FINISHED), "upload_rest", None),
    ("settled, still running", holding(), known(FINISHED), "stop", StopCause.SUPERSEDED),
    ("fence is stale", holding(), known(RUNNING, is_current=False), "stop", StopCause.SUPERSEDED),
    ("lost, keep, no newer round", holding(), known(FINISHED, is_lost=True, is_current=False), "continue", None),
    (
        "lost, stop",
        holding(),
        known(FINISHED, is_lost=True, on_disconnect=OnDisconnect.STOP),
        "stop",
        StopCause.SUPERSEDED,
    ),
    ("the hub says void, it runs", holding(), known(VOID), "stop", StopCause.SUPERSEDED),
]


@pytest.mark.parametrize(("case", "said", "knowledge", "action", "stop"), ANSWERS, ids=[case for case, *_ in ANSWERS])
def test_the_inventory_is_answered_by_what_should_be(
    case: str, said: Held, knowledge: KnownExecution | None, action: str, stop: StopCause | None
) -> None:
    found = answer(said, knowledge)
    assert (action, stop) == (found.action, found.stop)


def enrolled(**changes: object) -> EnrolledRunner:
    values: dict[str, object] = {"home_id": HOME, "fingerprint": "f", "join_counter": 4}
    return EnrolledRunner(**{**values, "is_revoked": False, "is_quarantined": False, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runner", "signed", "own", "join", "refusal"),
    [
        (enrolled(), True, True, 5, None),
        (None, True, True, 5, Refusal.UNKNOWN),
        (enrolled(), False, True, 5, Refusal.SIGNATURE),
        (enrolled(), True, False, 5, Refusal.ORIGIN),
        (enrolled(is_revoked=True), True, True, 5, Refusal.REVOKED),
        (enrolled(is_revoked=True), False, True, 5, Refusal.SIGNATURE),
        (enrolled(is_quarantined=True), True, True, 99, Refusal.QUARANTINED),
        (enrolled(), True, True, 4, Refusal.CLONED),
        (enrolled(), True, True, 3, Refusal.CLONED),
        (enrolled(home_id="other"), True, True, 5, Refusal.CLONED),
    ],
)
def test_a_session_opens_for_the_one_home_that_grows(
    runner: EnrolledRunner | None, *, signed: bool, own: bool, join: int, refusal: Refusal | None
) -> None:
    """D8: a join counter larger than the last accepted; a stranger learns nothing of an enrolled runner."""
    hello = hello_of("rnr_" + "1" * 32, join=join)
    assert refusal == refuse(hello, runner, is_signed=signed, is_own_origin=own)
