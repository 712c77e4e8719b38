"""Placement against oracles: `why` says `next` if and only if a grant is possible, and nobody starves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from agent.wire.messages import Stamp
from agent.wire.words import DesktopNeed, PreparationState, TaskState, VoidReason
from hub.domain.condition import needs_of, settled
from hub.domain.credits import CreditBook, Mend
from hub.domain.demand import LimitKind, Stock, Want, exceeded
from hub.domain.desktop_wish import DesktopWish
from hub.domain.placement import LEVEL, Candidate, are_alike, first, fits, may_start, ranked_at
from hub.domain.waiting import FitCandidate, Limited, Stopped, Waiting, WaitingCode, why
from hub.domain.window import Window

W, B, OTHER = "wsp", "bld_1", "bld_2"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAMP = Stamp(boot_ns=1, wall_ns=1)
UPDATES = Window(id="wnd", runner_id="", starts_at=NOW, ends_at=NOW + timedelta(hours=1), reason="a", created_by="b")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A runner as the oracle knows it."""

    labels: Mapping[str, str]
    is_connected: bool
    is_draining: bool
    in_window: bool
    is_ready: bool
    waits_for_stamp: bool
    builds: frozenset[str]
    is_withheld: bool
    free: int
    taken: int
    desktops: tuple[tuple[str, str], ...]
    """(size, what is wrong) of the first slots; the others have none."""
    applications: frozenset[str]
    missing: frozenset[str]
    """Applications that should be there."""
    closed_by: str
    """A fault of the whole machine."""
    is_silent: bool
    """It never told anything of this."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit as the oracle knows it: None of it is a resource that was deleted."""

    total: int | None
    holds: tuple[int, ...]
    units: int


labels = st.dictionaries(st.sampled_from(["os", "site", "sap"]), st.sampled_from(["a", "b"]), max_size=2)
needs = st.dictionaries(st.sampled_from(["os", "site", "sap"]), st.sampled_from(["", "a", "b"]), max_size=2)
mostly = st.sampled_from([True, True, True, False])
rarely = st.sampled_from([False, False, False, True])
SIZES = ["1920x1080", "1280x720"]
wishes = st.sampled_from(
    [
        DesktopWish(desktop=desktop, size=size, applications=applications)
        for desktop in DesktopNeed
        for size in ("", *SIZES)
        for applications in ((), ("excel",), ("browser", "excel"))
        if not size or desktop is DesktopNeed.REQUIRED
    ]
)
faulty = st.sampled_from(["", "", "", "locked", "popup", "gone"])
programs = st.frozensets(st.sampled_from(["browser", "excel"]))
machines = st.builds(
    Machine,
    labels=labels,
    is_connected=mostly,
    is_draining=rarely,
    in_window=rarely,
    is_ready=mostly,
    waits_for_stamp=rarely,
    builds=st.sampled_from([frozenset({B}), frozenset({B, OTHER}), frozenset({OTHER}), frozenset[str]()]),
    is_withheld=rarely,
    free=st.integers(0, 2),
    taken=st.integers(0, 2),
    desktops=st.lists(st.tuples(st.sampled_from(SIZES), faulty), max_size=3).map(tuple),
    applications=programs,
    missing=programs,
    closed_by=st.sampled_from(["", "", "", "", "low_disk", "low_memory", "clock_off"]),
    is_silent=rarely,
)
limits = st.builds(
    Limit,
    total=st.sampled_from([None, 0, 1, 2, 3, 3, 4]),
    holds=st.lists(st.integers(1, 2), max_size=3).map(tuple),
    units=st.integers(1, 2),
)


def book_of(fleet: list[Machine]) -> CreditBook:
    """The real book, told all this by its real messages."""
    book = CreditBook(lambda: 0.0)
    for number, one in enumerate(fleet):
        if not one.is_connected:
            continue
        runner = f"rnr_{number}"
        book.open_session(W, runner, 1, one.labels)
        book.resumed(runner, 1, one.builds, draining=one.is_draining)
        if one.in_window:
            book.in_window(runner)
        if number % 2:
            _tell(book, runner, one)
        for slot in range(one.free + one.taken):
            book.slot_free(runner, 1, slot, 1, STAMP)
        _tell(book, runner, one)  # late, or twice
        if not one.is_ready:
            book.renew(runner, 1, STAMP, ready=one.is_ready)
    for number, one in enumerate(fleet):
        _take(book, f"rnr_{number}", one)
        if one.is_connected and one.is_withheld:
            book.withhold(f"rnr_{number}", B, Mend.PREPARED)
        if one.is_connected and one.waits_for_stamp:
            book.voided(f"rnr_{number}", 1, B, VoidReason.NO_SLOT)
    return book


def _tell(book: CreditBook, runner: str, one: Machine) -> None:
    if not one.is_silent:
        book.told(runner, 1, condition_of(one))


def condition_of(one: Machine) -> Condition:
    """What it tells; desktops of slots that it does not have are left out by the hub."""
    desktops = []
    for slot, (size, wrong) in enumerate(one.desktops):
        width, height = map(int, size.split("x"))
        own = {"slot": slot, "kind": DesktopKind.X11, "name": f":{slot}", "width": width, "height": height}
        desktops.append(DesktopState.model_validate({**own, "faults": [_fault(wrong)] if wrong else []}))
    faults: list[ConditionFault] = [_fault(one.closed_by)] if one.closed_by else []
    faults += [_fault("application_missing", name) for name in sorted(one.missing - one.applications)]
    told = Condition(desktops=tuple(desktops), applications=tuple(sorted(one.applications)), faults=tuple(faults))
    return settled(told, max(1, one.free + one.taken), NOW)


def _fault(code: str, application: str | None = None) -> ConditionFault:
    return ConditionFault(code=FaultCode(code), message=code, remedy="mend it", since=NOW, application=application)


def _offers_what_is_wished(one: Machine, slot: int, wish: DesktopWish) -> bool:
    """The oracle's own words for a slot and a wish."""
    if one.is_silent:
        return wish.desktop is not DesktopNeed.REQUIRED and not wish.applications
    if one.closed_by or not set(wish.applications) <= one.applications:
        return False
    if wish.desktop is not DesktopNeed.REQUIRED:
        return True
    sizes = [wish.size] if wish.size else SIZES
    return slot < len(one.desktops) and one.desktops[slot] in [(size, "") for size in sizes]


def _take(book: CreditBook, runner: str, one: Machine) -> None:
    """Some of its slots are given out already."""
    session = book._sessions.get(runner)
    if session is not None:
        for slot in range(one.taken):
            session.slots[one.free + slot].is_taken = True


def stocks_of(given_limits: list[Limit]) -> tuple[list[Want], dict[str, Stock]]:
    """The wants of the task, and how the limits stand."""
    wanted = [
        Want(kind=LimitKind.RESOURCE, limit_key=f"resource:{number}", units=one.units)
        for number, one in enumerate(given_limits)
    ]
    stocks = {
        f"resource:{number}": Stock(total=one.total, used=sum(one.holds)) for number, one in enumerate(given_limits)
    }
    return wanted, stocks


def grantable(
    fleet: list[Machine],
    wanted: tuple[Mapping[str, str], DesktopWish],
    has_build: bool,
    given_limits: list[Limit],
    is_stopped: bool,
) -> bool:
    """The oracle: by brute force, in words of its own."""
    if is_stopped:
        return False
    for limit in given_limits:
        if limit.total is None or sum(limit.holds) + limit.units > limit.total:
            return False
    for one in fleet:
        labelled, wish = wanted
        meets = all(name in one.labels and (not value or one.labels[name] == value) for name, value in labelled.items())
        is_kept = one.is_draining or one.in_window or one.waits_for_stamp
        gives = one.is_connected and one.is_ready and not is_kept
        has_slot = any(_offers_what_is_wished(one, slot, wish) for slot in range(one.free))
        if has_build and meets and gives and B in one.builds and not one.is_withheld and has_slot:
            return True
    return False


@settings(max_examples=2000, deadline=None)
@given(st.lists(machines, max_size=6), st.tuples(needs, wishes), mostly, st.lists(limits, max_size=2), rarely)
def test_why_says_next_exactly_when_a_grant_is_possible(
    fleet: list[Machine],
    wished: tuple[dict[str, str], DesktopWish],
    has_build: bool,
    given_limits: list[Limit],
    is_stopped: bool,
) -> None:
    """100 % agreement of three: `why`, the oracle, and placement itself (the book's credit, limits and stops)."""
    book, wanted = book_of(fleet), {**wished[0], **needs_of(wished[1])}
    wants, stocks = stocks_of(given_limits)
    shortages = exceeded(wants, stocks)
    stopped_at = NOW - timedelta(hours=1) if is_stopped else None
    waiting = Waiting(
        state=TaskState.QUEUED,
        now=NOW,
        not_before=None,
        held=None,
        bot="invoices",
        automation="invoices",
        stopped=Stopped(at=stopped_at, why="task 7 failed"),
        build_id=B if has_build else None,
        needs=wanted,
        runners=[_candidate(number, one) for number, one in enumerate(fleet)],
        offers=book.offers(W),
        limited=[Limited(shortage=one, holders=["1"]) for one in shortages],
        queued_at=NOW,
        created_at=NOW,
    )
    told = {reason.code for reason in why(waiting)}
    assert told, "a waiting task has a reason"
    can = grantable(fleet, wished, has_build, given_limits, is_stopped)
    assert can == (WaitingCode.NEXT in told)
    assert is_stopped == (WaitingCode.STOPPED in told)
    is_open = has_build and not shortages and may_start(stopped_at)
    credit = book.take(W, wanted, B) if is_open else None
    assert can == (credit is not None)
    assert credit is None or fits(credit.labels, wanted), "grant looks at the credit's labels again"


def _candidate(number: int, one: Machine) -> FitCandidate:
    return FitCandidate(
        id=f"rnr_{number}",
        name=f"desk-{number}",
        labels=one.labels,
        slots=max(1, one.free + one.taken),
        is_connected=one.is_connected,
        is_draining=one.is_draining,
        window=UPDATES if one.in_window else None,
        preparation=PreparationState.PREPARED if B in one.builds else None,
        condition=None if one.is_silent else condition_of(one),
    )


tasks = st.tuples(st.integers(0, 10), st.sampled_from(["aut_1", "aut_2", "aut_3"]))


@settings(max_examples=300, deadline=None)
@given(tasks, st.lists(st.tuples(tasks, st.integers(0, 90)), max_size=60), st.integers(1, 40))
def test_no_task_starves(
    mine: tuple[int, str], stream: list[tuple[tuple[int, str], int]], minutes_between_grants: int
) -> None:
    """Only tasks that were made before it, or within the levels that they are above it, ever come before it."""
    priority, automation = mine
    low = Candidate(task_id="low", automation_id=automation, ranked_at=ranked_at(priority, NOW))
    arriving = [
        (NOW + timedelta(minutes=5 * number), Candidate(task_id=f"t{number}", automation_id=name, ranked_at=NOW), level)
        for number, ((level, name), _) in enumerate(stream)
    ]
    later = [(at, replace(one, ranked_at=ranked_at(level, at))) for at, one, level in arriving]
    waiting, running, now = [low], {automation: 5}, NOW
    overtook = 0
    while low in waiting:
        waiting += [one for at, one in later if at <= now and one not in waiting and one.task_id not in running]
        heads = _heads(waiting)
        assert are_alike(heads, now) or len(heads) >= 1
        chosen = first(heads, running, now)
        assert chosen is not None
        waiting.remove(chosen)
        running |= {chosen.task_id: 1, chosen.automation_id: running.get(chosen.automation_id, 0) + 1}
        overtook += chosen is not low
        now += timedelta(minutes=minutes_between_grants)
    bound = [one for at, one in later if at < NOW + (11 - priority) * LEVEL]
    assert overtook <= len(bound)


def _heads(waiting: list[Candidate]) -> list[Candidate]:
    """The best of each kind, as the store gives it."""
    best: dict[str, Candidate] = {}
    for one in sorted(waiting, key=lambda one: (one.ranked_at, one.task_id)):
        best.setdefault(one.automation_id, one)
    return list(best.values())


@given(st.lists(tasks, min_size=2, max_size=8, unique=True))
def test_among_equals_the_automation_with_fewest_running_comes_first(given_tasks: list[tuple[int, str]]) -> None:
    same = [
        Candidate(task_id=f"t{number}", automation_id=name, ranked_at=ranked_at(5, NOW))
        for number, (_, name) in enumerate(given_tasks)
    ]
    running = {"aut_1": 3, "aut_2": 1}
    chosen = first(same, running, NOW)
    assert chosen is not None
    assert running.get(chosen.automation_id, 0) == min(running.get(one.automation_id, 0) for one in same)
