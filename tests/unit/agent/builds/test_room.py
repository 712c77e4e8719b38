"""What goes when the disk is to hold less: "least recently used first, never one in use" (bot-packages.md §3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.builds.room import Entry, bound, to_remove

NAMES = "abcdefgh"


def entry(name: str, size: int, used: float, needs: str = "") -> Entry:
    """A thing."""
    return Entry(name=name, size_bytes=size, used_at=used, needs=frozenset(needs))


@pytest.mark.parametrize(
    ("entries", "in_use", "limit", "gone"),
    [
        ([], "", 0, ""),
        ([entry("a", 5, 1), entry("b", 5, 2)], "", 10, ""),
        ([entry("a", 5, 1), entry("b", 5, 2)], "", 9, "a"),
        ([entry("a", 5, 2), entry("b", 5, 1)], "", 9, "b"),
        ([entry("a", 5, 1), entry("b", 5, 2)], "a", 9, "b"),
        ([entry("a", 5, 1), entry("b", 5, 2)], "ab", 0, ""),
        # a tree whose files are the same bytes: they go after it, and not at all while another tree needs them
        ([entry("t", 0, 1, "f"), entry("f", 9, 0)], "", 5, "tf"),
        ([entry("t", 0, 1, "f"), entry("u", 0, 2, "f"), entry("f", 9, 0)], "u", 5, "t"),
        ([entry("t", 0, 1, "f"), entry("u", 0, 2, "f"), entry("f", 9, 0)], "", 5, "tuf"),
        # needed by what is in use, however far away
        ([entry("a", 1, 9, "b"), entry("b", 1, 1, "c"), entry("c", 9, 0)], "a", 0, ""),
        # what is needed and not there, or in use and not there, is nothing
        ([entry("a", 5, 1, "x")], "y", 0, "a"),
    ],
)
def test_what_goes(entries: list[Entry], in_use: str, limit: int, gone: str) -> None:
    assert gone == "".join(one.name for one in to_remove(entries, frozenset(in_use), limit))


@st.composite
def homes(draw: st.DrawFn) -> list[Entry]:
    """Things that need each other, never in a circle."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    made = []
    for position, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from(names[:position]))) if position else set()
        made.append(entry(name, draw(st.integers(0, 50)), draw(st.integers(0, 5)), "".join(needs)))
    return made


@given(entries=homes(), in_use=st.sets(st.sampled_from(NAMES)), limit=st.integers(0, 200))
def test_the_rest_is_whole_fits_and_was_used_last(entries: list[Entry], in_use: set[str], limit: int) -> None:
    """Never one in use, nor what it needs; enough and no more than enough; in an order that is safe at each step."""
    removed = to_remove(entries, frozenset(in_use), limit)
    gone = [one.name for one in removed]
    left = {one.name: one for one in entries if one.name not in gone}
    assert len(gone) == len(set(gone))
    # what stays has all that it needs, after every single step
    for step in range(len(gone) + 1):
        there = {one.name: one for one in entries if one.name not in gone[:step]}
        known = {one.name for one in entries}
        assert all(one.needs & known <= there.keys() for one in there.values())
    assert not in_use & set(gone)
    # enough: it fits, or nothing more could go
    size = sum(one.size_bytes for one in left.values())
    free = [
        one for one in left.values() if one.name not in in_use and not any(one.name in o.needs for o in left.values())
    ]
    assert size <= limit or not free
    # no more than enough
    if removed:
        assert size + removed[-1].size_bytes > limit


@given(ages=st.lists(st.integers(0, 100), unique=True, min_size=1), limit=st.integers(0, 20))
def test_of_things_that_need_nothing_the_oldest_go(ages: list[int], limit: int) -> None:
    entries = [entry(f"e{age}", 1, age) for age in ages]
    gone = [one.used_at for one in to_remove(entries, frozenset(), limit)]
    assert gone == sorted(ages)[: max(0, len(ages) - limit)]


@pytest.mark.parametrize(
    ("limit", "kept", "free", "disk", "expected"),
    [
        (20, 10, 50, 100, 20),
        (20, 10, 5, 100, 10),
        (20, 10, 0, 100, 5),
        (20, 10, 12, 100, 17),
        (20, 2, 0, 100, 0),
        (0, 10, 50, 100, 0),
    ],
)
def test_a_short_disk_lowers_the_limit(limit: int, kept: int, free: int, disk: int, expected: int) -> None:
    assert expected == bound(limit, kept_bytes=kept, free_bytes=free, disk_bytes=disk)
