"""The two lanes of one connection: numbered facts, output by offset (`core.md` §3, P9)."""

from agent.session import Session, Stage
from agent.session_effects import (
    CloseLink,
    Deliver,
    Effect,
    FactsAcked,
    Opened,
    OutputSafe,
    ReadFacts,
    Send,
    WakeOutput,
)
from agent.wire.facts import Fact, Gap
from agent.wire.limits import CONNECTION_FACTS_IN_FLIGHT, FACTS_IN_FLIGHT, OUTPUT_DATA_MAX_BYTES, OUTPUT_WINDOW_BYTES
from agent.wire.messages import (
    FactAck,
    OutputAck,
    OutputGap,
    OutputRewind,
    Query,
    Resumed,
)
from agent.wire.words import GapReason
from tests.support.session import (
    exe,
    fact,
    held,
    open_session,
    start,
    welcomed_session,
)

NOW = 100.0


def sent(effects: list[Effect]) -> list[object]:
    """The messages among the effects."""
    return [effect.message for effect in effects if isinstance(effect, Send)]


def test_facts_of_a_new_execution_go_at_once_and_no_more_than_the_window() -> None:
    """P9: 32 facts of an execution may be unacknowledged; the rest is read from the spool later."""
    # given
    session = open_session()
    session.receive(start(epoch=1, number=1), NOW)

    # when
    out = [message for seq in range(1, 41) for message in sent(session.fact_spooled(fact(1, seq)))]

    # then
    assert out == [fact(1, seq) for seq in range(1, FACTS_IN_FLIGHT + 1)]

    # when the hub has committed some
    effects = session.receive(FactAck(execution_id=exe(1), fence=1, seq=10), NOW)

    # then the next are asked for, once
    assert effects[0] == FactsAcked(execution_id=exe(1), seq=10)
    (read,) = [effect for effect in effects if isinstance(effect, ReadFacts)]
    assert (read.wish.after, read.wish.limit) == (32, 8)
    assert session.receive(FactAck(execution_id=exe(1), fence=1, seq=11), NOW) == [
        FactsAcked(execution_id=exe(1), seq=11)
    ]
    assert sent(session.facts_read(exe(1), [fact(1, seq) for seq in range(33, 41)])) == [
        fact(1, seq) for seq in range(33, 41)
    ]


def test_a_hole_in_what_was_read_ends_the_list_and_is_not_asked_for_again() -> None:
    """P3: numbers without holes."""
    session = welcomed_session()
    session.inventory([held(1, last_fact=3)], [])
    session.receive(Resumed(execution_id=exe(1), fence=1, action="continue"), NOW)
    assert sent(session.facts_read(exe(1), [fact(1, 1), fact(1, 3)])) == [fact(1, 1)]
    assert session.facts_read(exe(1), []) == []


def test_an_acknowledgement_of_what_was_never_sent_is_a_fault() -> None:
    """G1."""
    session = open_session()
    session.receive(start(epoch=1, number=1), NOW)
    (end,) = session.receive(FactAck(execution_id=exe(1), fence=1, seq=1), NOW)
    assert isinstance(end, CloseLink)


def test_the_void_of_an_unknown_order_has_its_way() -> None:
    """D6: the answer to a query of an unknown order is a fact that goes at once."""
    session = open_session()
    query = Query(execution_id=exe(9), task_id="tsk_" + "0" * 32, fence=1)
    assert session.receive(query, NOW) == [Deliver(message=query)]
    assert sent(session.fact_spooled(fact(9, 1))) == [fact(9, 1)]


def test_frames_for_a_forgotten_execution_mean_nothing() -> None:
    """A crossing on the wire is no fault."""
    session = open_session()
    session.receive(start(epoch=1, number=1), NOW)
    session.forgotten(exe(1))
    assert session.receive(FactAck(execution_id=exe(1), fence=1, seq=3), NOW) == []
    assert session.receive(OutputAck(execution_id=exe(1), have=3, safe=3), NOW) == []
    assert session.receive(OutputRewind(execution_id=exe(1), start=3), NOW) == []


def test_what_was_forgotten_during_the_resume_is_answered_and_the_session_opens() -> None:
    """P2, D5: its folder went while the hub made its answer: no breach of the protocol, and no wait for ever."""
    session = welcomed_session()
    session.inventory([held(1), held(2)], [])
    session.forgotten(exe(1))
    assert Opened() not in session.receive(Resumed(execution_id=exe(2), fence=1, action="continue", fact=2), NOW)
    assert session.receive(Resumed(execution_id=exe(1), fence=1, action="forget", fact=2), NOW) == [Opened()]
    assert session.stage is Stage.OPEN


def with_output(*totals: int) -> Session:
    """An open session with executions 1, 2, … that have this much output."""
    session = open_session()
    for number, total in enumerate(totals, 1):
        session.receive(start(epoch=1, number=number), NOW)
        session.output_available(exe(number), total)
    return session


def test_output_goes_in_frames_up_to_the_window() -> None:
    """P9: 1 MiB of an execution, frames of 64 KiB."""
    # given
    session, total = with_output(10 * OUTPUT_WINDOW_BYTES), 0

    # when
    while (wish := session.next_output()) is not None:
        assert wish.start == total
        assert wish.limit <= OUTPUT_DATA_MAX_BYTES
        total += wish.limit
        session.output_sent(wish.execution_id, total)

    # then
    assert total == OUTPUT_WINDOW_BYTES

    # when the hub has half of it
    effects = session.receive(OutputAck(execution_id=exe(1), have=total // 2, safe=1000), NOW)

    # then
    assert effects == [WakeOutput(), OutputSafe(execution_id=exe(1), safe=1000)]
    assert session.next_output() is not None


def test_executions_take_turns_and_share_the_connection() -> None:
    """P9: 4 MiB of a connection; a flood of one starves nobody."""
    # given
    session = with_output(*[10 * OUTPUT_WINDOW_BYTES] * 6)
    order: list[str] = []
    offsets = dict.fromkeys((exe(number) for number in range(1, 7)), 0)

    # when
    while (wish := session.next_output()) is not None:
        order.append(wish.execution_id)
        offsets[wish.execution_id] += wish.limit
        session.output_sent(wish.execution_id, offsets[wish.execution_id])

    # then
    assert order[:6] == [exe(number) for number in range(1, 7)]
    assert sum(offsets.values()) == 4 * OUTPUT_WINDOW_BYTES


def test_a_rewind_begins_again_there() -> None:
    """§3: a hole is an error of that output, never of the session."""
    session = with_output(5000)
    session.output_sent(exe(1), 5000)
    assert session.receive(OutputRewind(execution_id=exe(1), start=2000), NOW) == [WakeOutput()]
    wish = session.next_output()
    assert wish is not None
    assert (wish.start, wish.limit) == (2000, 3000)
    (end,) = session.receive(OutputRewind(execution_id=exe(1), start=5001), NOW)
    assert isinstance(end, CloseLink)


def test_a_second_rewind_may_lie_ahead_of_the_first() -> None:
    """The hub stored what was on its way when it asked first; by now it wants less sent again."""
    session = with_output(5000)
    session.output_sent(exe(1), 5000)
    session.receive(OutputRewind(execution_id=exe(1), start=2000), NOW)
    assert session.receive(OutputRewind(execution_id=exe(1), start=4000), NOW) == [WakeOutput()]
    wish = session.next_output()
    assert wish is not None
    assert (wish.start, wish.limit) == (4000, 1000)


def test_a_gap_is_told_and_passed_over() -> None:
    """§3: asked for an offset that is gone: gap."""
    session = with_output(5000)
    gap = Gap(start=0, bytes=3000, reason=GapReason.DELETED, resumed_at=3000)
    assert sent(session.output_gap(exe(1), gap)) == [OutputGap(execution_id=exe(1), gap=gap)]
    wish = session.next_output()
    assert wish is not None
    assert wish.start == 3000


def test_what_cannot_be_read_yet_waits_for_the_next_doorbell() -> None:
    """No loop asks for the same again and again."""
    session = with_output(100)
    session.output_missing(exe(1))
    assert session.next_output() is None
    session.output_available(exe(1), 200)
    assert session.next_output() is not None


def test_what_the_last_fact_has_told_of_and_is_gone_is_a_gap() -> None:
    """G5, C11: nobody waits for it; what is no longer than that is waited for as ever."""
    session = with_output(100)
    gap = Gap(start=0, bytes=100, reason=GapReason.DELETED, resumed_at=100)
    assert sent(session.output_missing(exe(1), 100)) == [OutputGap(execution_id=exe(1), gap=gap)]
    assert session.output_missing(exe(1), 100) == []
    assert session.next_output() is None


def test_a_hub_that_is_ahead_of_the_file_is_normal() -> None:
    """§3: after a reboot."""
    session = welcomed_session()
    session.inventory([held(1, output=100)], [])
    session.receive(Resumed(execution_id=exe(1), fence=1, action="upload_rest", have=400, safe=400), NOW)
    assert session.next_output() is None


def test_a_session_goes_on_where_the_hub_has_stored_to() -> None:
    """§3, R1: what was sent on the connection before and is not at the hub is sent again."""
    session = welcomed_session()
    session.inventory([held(1, output=5000)], [])
    session.receive(Resumed(execution_id=exe(1), fence=1, action="continue", have=2000, safe=1000), NOW)
    wish = session.next_output()
    assert wish is not None
    assert (wish.start, wish.limit) == (2000, 3000)


def test_facts_of_days_do_not_drown_the_hub() -> None:
    """P9, R6: what 300 executions have to tell at a resume goes 1024 facts at a time, each once and in its order."""
    executions, facts_each = 300, 40
    session = welcomed_session()
    session.inventory([held(number, facts_each) for number in range(executions)], [])
    told: dict[str, list[int]] = {exe(number): [] for number in range(executions)}
    acked = dict.fromkeys(told, 0)
    waiting: list[Effect] = []
    for number in range(executions):
        waiting += session.receive(Resumed(execution_id=exe(number), fence=1, action="continue"), NOW)

    def under_way() -> int:
        return sum(len(seqs) - acked[name] for name, seqs in told.items())

    most = 0
    while waiting or under_way():
        for effect in waiting:
            if isinstance(effect, Send) and isinstance(effect.message, Fact):
                told[effect.message.execution_id].append(effect.message.seq)
        reads = [effect for effect in waiting if isinstance(effect, ReadFacts)]
        waiting = []
        for read in reads:
            number = int(read.execution_id.removeprefix("exe_"), 16)
            last = min(facts_each, read.wish.after + read.wish.limit)
            found = [fact(number, seq) for seq in range(read.wish.after + 1, last + 1)]
            waiting += session.facts_read(read.execution_id, found)
        most = max(most, under_way())
        if not waiting and under_way():
            name = next(name for name, seqs in told.items() if len(seqs) > acked[name])
            acked[name] = len(told[name])
            waiting = session.receive(FactAck(execution_id=name, fence=1, seq=acked[name]), NOW)
    assert told == {name: list(range(1, facts_each + 1)) for name in told}
    assert CONNECTION_FACTS_IN_FLIGHT - FACTS_IN_FLIGHT < most <= CONNECTION_FACTS_IN_FLIGHT
