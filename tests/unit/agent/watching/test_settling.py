"""Which files are at rest, which are new, what is told again: by tables, and against any order of what may happen."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.watching.settling import (
    AGAIN_FIRST_S,
    DUE_MAX,
    REFUSED_S,
    SLICE,
    UNREADABLE_TOLD_S,
    Identity,
    Settling,
    oldest_first,
)

A, B = Identity(8, 1, 100, 5), Identity(8, 2, 200, 5)
LONGER = A._replace(size=6)
NAMES = st.sampled_from("abc")


def told(settling: Settling, at_most: int = 32) -> list[str]:
    """Paths that are told now."""
    return [one.path for one in settling.ask(at_most)]


def look(settling: Settling, path: str, identity: Identity | None, now: float, unreadable: str = "") -> None:
    """One path, opened for a moment."""
    settling.looked(path, identity, now, unreadable=unreadable)


def at_rest(settling: Settling, **files: Identity) -> None:
    """They lie there from 0 on, and were looked at when they were due."""
    settling.listed(files, 0.0)
    for path in settling.due(2.0):
        look(settling, path, files[path], 2.0)


def test_a_file_is_told_when_it_did_not_change_for_long_enough() -> None:
    settling = Settling(2.0)
    settling.listed({"a": A}, 0.0)
    assert (2.0, []) == (settling.due_at(), told(settling))
    look(settling, "a", A, 1.0)
    assert [] == told(settling)
    look(settling, "a", LONGER, 1.5)
    assert (3.5, []) == (settling.due_at(), settling.due(2.0))
    look(settling, "a", LONGER, 3.5)
    assert ["a"] == told(settling)
    assert [] == told(settling)
    settling.answered((), 4.0)
    look(settling, "a", LONGER, 9.0)
    settling.listed({"a": LONGER}, 10.0)
    assert [] == told(settling)


def test_renamed_it_is_the_same_and_changed_it_is_another() -> None:
    settling = Settling(2.0)
    at_rest(settling, a=A)
    assert ["a"] == told(settling)
    settling.answered((), 2.0)
    look(settling, "b", A, 3.0)
    look(settling, "a", None, 3.0)
    assert ([], 1) == (settling.due(99.0), len(settling))
    look(settling, "b", LONGER, 4.0)
    look(settling, "b", LONGER, 6.0)
    assert ["b"] == told(settling)


def test_what_is_gone_before_it_was_told_is_not_told() -> None:
    settling = Settling(2.0)
    at_rest(settling, a=A, b=B)
    look(settling, "a", None, 3.0)
    assert ["b"] == told(settling)
    look(settling, "b", None, 3.0)
    settling.answered((0,), 3.0)
    assert (0, float("inf")) == (len(settling), settling.due_at())


def test_a_cut_link_and_a_refusal_make_it_told_again() -> None:
    settling = Settling(2.0)
    at_rest(settling, a=A)
    told(settling)
    settling.cut()
    assert ["a"] == told(settling)
    settling.refused(10.0)
    assert (10.0 + REFUSED_S, []) == (settling.due_at(), told(settling))
    look(settling, "a", A, 10.0 + REFUSED_S)
    assert ["a"] == told(settling)


def test_what_came_to_nothing_is_told_again_later_and_later() -> None:
    settling, now, pauses = Settling(2.0), 2.0, []
    at_rest(settling, a=A, b=B)
    for _ in range(8):
        assert "a" in told(settling)
        settling.answered((0,), now)
        pauses.append(settling.due_at() - now)
        now = settling.due_at()
        look(settling, "a", A, now)
    assert [AGAIN_FIRST_S * 2**n for n in range(6)] + [3600.0, 3600.0] == pauses


def test_what_can_not_be_read_waits_and_is_a_trouble_only_after_a_while() -> None:
    settling, now = Settling(2.0), 2.0
    settling.listed({"a": A}, 0.0)
    while not settling.unreadable():
        look(settling, "a", A, now, "Permission denied")
        assert [] == told(settling)
        now = settling.due_at()
    assert now >= UNREADABLE_TOLD_S
    assert (1, "a", "Permission denied") == settling.unreadable()
    look(settling, "a", A, now)
    assert (["a"], None) == (told(settling), settling.unreadable())


def test_what_lay_there_is_told_at_once_as_such_and_what_comes_later_is_not() -> None:
    settling = Settling(2.0, leave_existing=True)
    settling.listed({"a": A}, 0.0)
    assert [("a", True)] == [(one.path, one.was_there) for one in settling.ask(9)]
    settling.answered((), 0.0)
    assert settling.is_all_answered
    settling.listed({"a": A, "b": B}, 1.0)
    look(settling, "b", B, 3.0)
    assert [("b", False)] == [(one.path, one.was_there) for one in settling.ask(9)]


def test_the_whole_is_told_when_all_of_a_first_look_is_answered_and_again_when_all_is_told_again() -> None:
    settling = Settling(2.0)
    assert not settling.is_all_answered
    at_rest(settling, a=A, b=B)
    assert (["a"], False) == (told(settling, 1), settling.is_all_answered)
    settling.answered((), 2.0)
    look(settling, "b", None, 2.5)
    assert settling.is_all_answered
    settling.all_told()
    settling.listed({"a": A}, 60.0)
    assert not settling.is_all_answered
    settling.listed({"a": A}, 99.0, tell_all=True)
    assert [("a", True)] == [(one.path, one.answered) for one in settling.ask(9)]
    settling.answered((), 99.0)
    assert settling.is_all_answered


def test_what_lay_there_is_left_alone_until_the_hub_has_taken_all_of_it() -> None:
    """A hub without room takes none: were the whole told now, a runner that starts anew would tell it as new."""
    settling = Settling(2.0, leave_existing=True)
    settling.listed({"a": A, "b": B}, 0.0)
    told(settling)
    settling.answered((0,), 0.0)
    settling.listed({"a": A, "b": B}, 1.0)
    assert not settling.is_all_answered
    look(settling, "a", A, AGAIN_FIRST_S, "Permission denied")  # it need not be read
    assert [("a", True)] == [(one.path, one.was_there) for one in settling.ask(9)]
    settling.answered((), AGAIN_FIRST_S)
    assert settling.is_all_answered


def test_what_lay_there_is_left_alone_though_the_folder_was_lost_before_all_was_told() -> None:
    settling = Settling(2.0, leave_existing=True)
    settling.listed({"a": A}, 0.0)
    settling.lost()
    settling.listed({"a": A}, 1.0)
    assert [("a", True)] == [(one.path, one.was_there) for one in settling.ask(9)]
    settling.answered((), 1.0)
    settling.all_told()
    settling.lost()
    settling.listed({"b": B}, 2.0)
    assert (4.0, []) == (settling.due_at(), told(settling))


def test_a_folder_that_is_lost_and_comes_back_is_looked_through_anew() -> None:
    settling = Settling(2.0)
    at_rest(settling, a=A)
    settling.lost()
    assert ([], 0, False) == (told(settling), len(settling), settling.is_all_answered)
    at_rest(settling, a=A)
    assert ["a"] == told(settling)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_the_oldest_is_told_first(times: list[int]) -> None:
    """By the time of change, as they may have come."""
    settling = Settling(0.0, leave_existing=True)
    settling.listed(oldest_first({f"f{n}": Identity(1, n, time, 0) for n, time in enumerate(times)}), 0.0)
    assert sorted(times) == [one.identity.mtime_ns for one in settling.ask(99)]


def test_of_many_files_few_are_taken_in_or_looked_at_at_once_and_an_answer_may_come_between() -> None:
    """The daemon's other work goes on between the slices."""
    count = 3 * DUE_MAX
    found = {f"f{n:05}": Identity(1, n, n, 0) for n in range(count)}
    settling = Settling(2.0)
    sizes = [len(settling) for _ in settling.listing(found, 0.0)]
    assert max(after - before for before, after in itertools.pairwise(sizes)) <= SLICE
    seen: list[str] = []
    while paths := settling.due(2.0):
        assert len(paths) <= DUE_MAX
        seen += paths
        for path in paths:
            look(settling, path, found[path], 2.0)
    assert list(found) == seen == told(settling, count)
    pages = iter(settling.listing(found, 60.0, tell_all=True))
    next(pages)
    settling.answered((), 60.0)
    for _ in pages:
        assert not told(settling, 0)
    assert (list(found), False) == (told(settling, count), settling.is_all_answered)
    settling.answered((), 61.0)
    assert settling.is_all_answered


class Folder(RuleBasedStateMachine):
    """A folder in which anything happens, a runner that looks at any time, a hub that answers or does not."""

    @initialize()
    def begin(self) -> None:
        """Nothing lies there."""
        self.settling, self.now, self.asked = Settling(2.0), 0.0, list[Identity]()
        self.there: dict[str, Identity] = {}
        self.born: dict[Identity, float] = {}
        self.answers: set[Identity] = set()

    @rule(name=NAMES, inode=st.integers(1, 3))
    def write(self, name: str, inode: int) -> None:
        """A file is written, perhaps over another one."""
        self.there[name] = Identity(1, inode, len(self.born), 0)
        self.born[self.there[name]] = self.now

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """It goes."""
        self.there.pop(name, None)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        """It moves, perhaps over another one."""
        if old in self.there:
            self.there[new] = self.there.pop(old)

    @rule(length=st.sampled_from([0.5, 1.0, 2.0, 40.0]))
    def wait(self, length: float) -> None:
        """Time goes by."""
        self.now += length

    @rule(tell_all=st.booleans())
    def look_through(self, *, tell_all: bool = False) -> None:
        """A whole look."""
        self.settling.listed(self.there, self.now, tell_all=tell_all)

    @rule()
    def look_at_what_is_due(self) -> None:
        """What time brings."""
        for path in self.settling.due(self.now):
            look(self.settling, path, self.there.get(path), self.now)

    @rule(name=NAMES)
    def ring(self, name: str) -> None:
        """A bell."""
        look(self.settling, name, self.there.get(name), self.now)

    @rule()
    def lose(self) -> None:
        """The folder can't be looked through for once."""
        self.settling.lost()

    @rule()
    def ask(self) -> None:
        """Nothing is told that was not there for two seconds."""
        if not self.asked:
            self.asked = [one.identity for one in self.settling.ask(2)]
        assert all(self.now - self.born[identity] >= 2.0 for identity in self.asked)

    @rule(how=st.sampled_from(["taken", "again", "refused", "cut"]))
    def answer(self, how: str) -> None:
        """The hub answers, or the link breaks."""
        asked, self.asked = self.asked, []
        match how:
            case "taken":
                self.settling.answered((), self.now)
                self.answers |= set(asked)
            case "again":
                self.settling.answered(range(len(asked)), self.now)
            case "refused":
                self.settling.refused(self.now)
            case _:
                self.settling.cut()

    def teardown(self) -> None:
        """Once nothing happens any more, all that lies there is answered, and nothing is left to do."""
        for _ in range(3):
            self.answer("taken")
            self.look_through()
            self.now += 4000.0
            self.look_at_what_is_due()
            while found := self.settling.ask(2):
                self.asked = [one.identity for one in found]
                self.answer("taken")
        assert set(self.there.values()) <= self.answers
        assert (len(set(self.there.values())), float("inf")) == (len(self.settling), self.settling.due_at())


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=50, stateful_step_count=30)
