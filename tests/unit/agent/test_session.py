"""One connection as a pure machine (P1, P2; `core.md` D2, D5, §3)."""

import pytest

from agent.session import Session, Stage
from agent.session_effects import (
    CloseLink,
    CloseReason,
    Deliver,
    Effect,
    HeartbeatAcked,
    Opened,
    ReadFacts,
    Readiness,
    Send,
    StoreEpoch,
    TakeInventory,
)
from agent.wire.facts import Gap
from agent.wire.limits import HANDSHAKE_S
from agent.wire.messages import (
    Bye,
    Desired,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Preparation,
    Rejected,
    Resumed,
    ResumeEnd,
    SlotBusy,
    SlotFree,
    Stamp,
    ToRunner,
)
from agent.wire.words import GapReason, PreparationState
from tests.support.session import (
    HUB_KEY,
    challenge,
    exe,
    fact,
    held,
    moment,
    new_session,
    open_session,
    start,
    verify,
    welcome,
    welcomed_session,
)

NOW = 100.0


def sent(effects: list[Effect]) -> list[object]:
    """The messages among the effects."""
    return [effect.message for effect in effects if isinstance(effect, Send)]


# --- handshake -------------------------------------------------------------------------------------------------------


def test_hello_answers_a_challenge_of_the_pinned_hub_and_is_signed() -> None:
    """S2: hello signs hub id, origin, nonce, join counter, epoch, fingerprint."""
    # given
    session = new_session(join=7, last_epoch=3)

    # when
    (hello,) = sent(session.receive(challenge(), NOW))

    # then
    assert isinstance(hello, Hello)
    assert (hello.join, hello.last_epoch, session.stage) == (7, 3, Stage.GREETED)
    assert verify(hello)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hub_id": "another"}, CloseReason.WRONG_HUB),
        ({"key": "00" * 32}, CloseReason.WRONG_HUB),
        ({"signature": "00" * 64}, CloseReason.WRONG_HUB),
        ({"nonce": "cd" * 32}, CloseReason.WRONG_HUB),
        ({"protocol_min": 90, "protocol_max": 91}, CloseReason.VERSION),
    ],
)
def test_another_hub_is_told_nothing(changes: dict[str, object], reason: CloseReason) -> None:
    """S6: enrolment pinned id and key; nothing is sent to who cannot prove them."""
    # given
    session = new_session()

    # when
    effects = session.receive(challenge().model_copy(update=changes), NOW)

    # then
    assert [type(effect) for effect in effects] == [CloseLink]
    assert isinstance(effects[0], CloseLink)
    assert effects[0].reason is reason
    assert session.stage is Stage.CLOSED
    assert HUB_KEY not in effects[0].message


def test_a_rejection_says_whether_to_try_again() -> None:
    """`wire/README.md` §4."""
    session = new_session()
    (end,) = session.receive(Rejected(code="revoked", message="gone", final=True), NOW)
    assert end == CloseLink(reason=CloseReason.REJECTED, message="gone", final=True, code="revoked")


def test_a_hint_of_the_hub_is_passed_on() -> None:
    """P10: server hints win."""
    session = open_session()
    (end,) = session.receive(Bye(reason="shutdown", reconnect_after_s=4.0), NOW)
    assert end == CloseLink(reason=CloseReason.BYE, message="shutdown", retry_after_s=4.0, code="shutdown")


def test_the_epoch_is_stored_before_anything_is_sent_in_it() -> None:
    """D5: a first frame of each epoch is preceded by an fsync of that epoch."""
    session = new_session()
    session.receive(challenge(), NOW)
    assert session.receive(welcome(epoch=9), NOW) == [StoreEpoch(epoch=9), TakeInventory(welcome=welcome(epoch=9))]
    assert session.epoch == 9


def test_a_handshake_that_takes_too_long_is_given_up() -> None:
    """P8: silence before the welcome ends the link too."""
    session = new_session()
    assert session.tick(moment(HANDSHAKE_S - 0.1), Readiness()) == []
    (end,) = session.tick(moment(HANDSHAKE_S + 1), Readiness())
    assert isinstance(end, CloseLink)
    assert end.reason is CloseReason.HANDSHAKE


@pytest.mark.parametrize(
    "message",
    [challenge(), welcome(), Rejected(code="busy", message="", final=False), start(), Desired()],
    ids=lambda message: message.type,
)
@pytest.mark.parametrize("stage", list(Stage))
def test_what_has_no_place_closes_the_link_and_is_not_applied(stage: Stage, message: ToRunner) -> None:
    """R46: a frame out of order is a protocol error."""
    # given
    allowed = {
        (Stage.JOINING, "challenge"),
        (Stage.JOINING, "rejected"),
        (Stage.GREETED, "welcome"),
        (Stage.GREETED, "rejected"),
        (Stage.OPEN, "start"),
        (Stage.WELCOMED, "desired"),
        (Stage.RESUMING, "desired"),
        (Stage.OPEN, "desired"),
    }
    session = at(stage)

    # when
    effects = session.receive(message, NOW)

    # then
    if stage is Stage.CLOSED:
        assert effects == []
    elif (stage, message.type) not in allowed:
        assert [effect.reason for effect in effects if isinstance(effect, CloseLink)] == [CloseReason.PROTOCOL]
        assert not any(isinstance(effect, Deliver) for effect in effects)
    else:
        assert not any(isinstance(effect, CloseLink) and effect.reason is CloseReason.PROTOCOL for effect in effects)


def at(stage: Stage) -> Session:
    """A session at this stage."""
    session = new_session()
    if stage is Stage.JOINING:
        return session
    session.receive(challenge(), NOW)
    if stage is Stage.GREETED:
        return session
    session.receive(welcome(), NOW)
    if stage is Stage.WELCOMED:
        return session
    session.inventory([held(1)] if stage is Stage.RESUMING else [], [])
    if stage is Stage.CLOSED:
        session.receive(Bye(reason="shutdown"), NOW)
    return session


# --- resume ----------------------------------------------------------------------------------------------------------


def test_the_inventory_is_told_whole_then_each_is_answered_then_it_is_open() -> None:
    """P2: held, resume_end, one resumed for each, open."""
    # given
    session = welcomed_session()

    # when
    effects = session.inventory([held(1), held(2)], ["bld_" + "0" * 32])

    # then
    assert sent(effects) == [held(1), held(2), ResumeEnd(prepared=("bld_" + "0" * 32,))]
    assert session.stage is Stage.RESUMING

    # when
    first = session.receive(Resumed(execution_id=exe(1), fence=1, action="continue", fact=2), NOW)
    second = session.receive(Resumed(execution_id=exe(2), fence=1, action="forget", fact=2), NOW)

    # then
    assert Opened() not in first
    assert second[-1] == Opened()
    assert str(session.stage) == Stage.OPEN


def test_an_empty_inventory_opens_at_once() -> None:
    """Nothing held: nothing to wait for."""
    session = welcomed_session()
    assert session.inventory([], [])[-1] == Opened()


def test_nothing_of_an_execution_is_sent_before_the_hub_said_from_where() -> None:
    """§3: facts and output go on behind what the hub has."""
    # given
    session = welcomed_session()
    session.inventory([held(1, last_fact=5, output=1000)], [])
    assert session.next_output() is None
    assert session.fact_spooled(fact(1, 6)) == []

    # when
    effects = session.receive(Resumed(execution_id=exe(1), fence=1, action="continue", fact=4, have=600), NOW)

    # then
    (read,) = [effect for effect in effects if isinstance(effect, ReadFacts)]
    assert (read.wish.after, read.wish.limit) == (4, 2)
    assert sent(session.facts_read(exe(1), [fact(1, 5), fact(1, 6)])) == [fact(1, 5), fact(1, 6)]
    wish = session.next_output()
    assert wish is not None
    assert (wish.start, wish.limit) == (600, 400)


def test_resumed_for_what_was_not_held_is_a_fault() -> None:
    """R46."""
    session = open_session()
    (end,) = session.receive(Resumed(execution_id=exe(1), fence=1, action="continue"), NOW)
    assert isinstance(end, CloseLink)


# --- orders and credits ----------------------------------------------------------------------------------------------


def test_a_start_is_delivered_in_the_step_that_decodes_it() -> None:
    """D5."""
    session = open_session(epoch=5)
    order = start(epoch=5)
    assert session.receive(order, NOW) == [Deliver(message=order)]


def test_a_start_of_another_epoch_is_dropped() -> None:
    """D5: frames of another epoch are dropped."""
    assert open_session(epoch=5).receive(start(epoch=4), NOW) == []


def test_a_credit_is_told_once_for_each_generation() -> None:
    """D2: a renewal is one stamp; only free and busy are events."""
    # given
    session, stamp = open_session(), Stamp(boot_ns=1, wall_ns=2)

    # when, then
    assert sent(session.slot_free(0, 1, stamp)) == [SlotFree(slot=0, generation=1, stamp=stamp)]
    assert session.slot_free(0, 1, stamp) == []
    assert sent(session.slot_busy(0, 1, "draining")) == [SlotBusy(slot=0, generation=1, reason="draining")]
    assert session.slot_busy(0, 1, "draining") == []
    assert sent(session.slot_free(0, 1, stamp)) != []


def test_a_used_credit_is_not_withdrawn() -> None:
    """D2: the order used it up; the hub knows."""
    session = open_session()
    session.slot_free(0, 1, Stamp(boot_ns=1, wall_ns=2))
    session.receive(start(epoch=1), NOW)
    assert session.slot_busy(0, 1, "used") == []


def test_no_credit_is_told_before_the_session_is_open() -> None:
    """D5: credits come after resume_end."""
    session = welcomed_session()
    session.inventory([held(1)], [])
    assert session.slot_free(0, 1, Stamp(boot_ns=1, wall_ns=2)) == []


# --- time ------------------------------------------------------------------------------------------------------------


def test_heartbeats_come_in_time_and_their_acknowledgement_names_their_stamp() -> None:
    """P8, D10: deadlines count from the send time of the last acknowledged heartbeat."""
    # given
    session = open_session()

    # when
    (first,) = sent(session.tick(moment(1.0), Readiness(ready=False, unfit=("disk",), running=2)))
    assert session.tick(moment(10.9), Readiness()) == []
    (second,) = sent(session.tick(moment(11.1), Readiness()))

    # then
    assert isinstance(first, Heartbeat)
    assert isinstance(second, Heartbeat)
    assert (first.number, first.ready, first.unfit, first.running) == (1, False, ("disk",), 2)
    assert second.number == 2
    acked = session.receive(HeartbeatAck(number=2, commit_position=8), 12.0)
    assert acked == [HeartbeatAcked(sent=moment(11.1).stamp, commit_position=8)]
    assert session.receive(HeartbeatAck(number=2), 12.0) == []


def test_silence_closes_the_link() -> None:
    """P8, R42: no byte for 35 s, told within them; any byte counts."""
    # given
    session = open_session()
    session.receive(Desired(), 10.0)

    # when, then
    assert not any(isinstance(effect, CloseLink) for effect in session.tick(moment(41.0), Readiness()))
    session.heard(50.0)
    assert not any(isinstance(effect, CloseLink) for effect in session.tick(moment(81.0), Readiness()))
    (end,) = session.tick(moment(82.0), Readiness())
    assert isinstance(end, CloseLink)
    assert end.reason is CloseReason.SILENCE
    assert session.tick(moment(200.0), Readiness()) == []


def test_a_session_says_when_time_brings_something() -> None:
    """P8, R6, R7: heartbeats, silence, a handshake that takes too long; in between nobody need look."""
    # given
    session = open_session()
    session.receive(Desired(), 10.0)

    # when, then: the first heartbeat at once, the next 10 s later; what is heard moves the end that silence brings
    assert session.due_at() <= 10.0
    session.tick(moment(10.0), Readiness())
    assert session.due_at() == 20.0
    session.tick(moment(20.0), Readiness())
    session.tick(moment(30.0), Readiness())
    session.tick(moment(40.0), Readiness())
    assert session.due_at() == pytest.approx(41.5)
    session.heard(39.0)
    assert session.due_at() == 50.0
    assert session.tick(moment(49.9), Readiness()) == []
    session.tick(moment(100.0), Readiness())
    assert session.due_at() == float("inf")


def test_preparation_is_told_in_a_session_only() -> None:
    """What happened before is told by resume_end."""
    message = Preparation(build_id="bld_" + "0" * 32, state=PreparationState.FETCHING, progress=0.4)
    assert sent(open_session().news(message)) == [message]
    assert new_session().news(message) == []


def test_what_opens_or_closes_the_runner_is_told_at_once() -> None:
    """Issue 6, point 7: the hub believes the last heartbeat, and the next may be ten seconds away."""
    session, closed = open_session(), Readiness(ready=False, unfit=("disk full",))
    session.tick(moment(1.0), Readiness())
    assert session.changed(moment(1.1), Readiness(running=1)) == []
    told = [sent(session.changed(moment(1.2), readiness)) for readiness in (closed, closed, Readiness())]
    beats = [[beat.unfit for beat in each if isinstance(beat, Heartbeat)] for each in told]
    assert beats == [[("disk full",)], [], [()]]


def test_a_closed_session_says_nothing_more() -> None:
    """Whatever happens here afterwards is told by the next one's inventory."""
    session = at(Stage.CLOSED)
    assert session.fact_spooled(fact(1, 1)) == []
    assert session.facts_read(exe(1), []) == []
    assert session.inventory([], []) == []
    assert session.next_output() is None
    assert session.output_gap(exe(1), Gap(start=0, reason=GapReason.CAP)) == []
    assert session.changed(moment(1.0), Readiness(ready=False, unfit=("disk full",))) == []
    session.output_available(exe(5), 1)
    session.output_sent(exe(5), 1)
    session.output_missing(exe(5))
