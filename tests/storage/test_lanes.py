"""The two bounded lanes by themselves."""

import asyncio

import pytest

from hub.storage.lanes import Lanes, Operation
from hub.storage.store import StoreUnavailable


def operation(name: str) -> Operation:
    """An operation that nobody runs."""
    return Operation(name=name, run=id, future=asyncio.Future())


async def names(lanes: Lanes, most: int) -> list[str]:
    """Take a group."""
    return [one.name for one in lanes.take(most)]


async def test_urgent_operations_are_taken_first_each_lane_in_order() -> None:
    """Two lanes, urgent (grant, settle, cancel) first (core.md §5)."""
    lanes = Lanes(10)
    for name in ("a", "b", "U", "c", "V"):
        lanes.put(operation(name), urgent=name.isupper())
    assert ["U", "V", "a", "b"] == await names(lanes, 4)
    assert ["c"] == await names(lanes, 4)


async def test_urgent_work_alone_can_not_starve_the_rest() -> None:
    """A few of each group come from the ordinary lane, however much is urgent (G8)."""
    lanes = Lanes(100)
    for number in range(50):
        lanes.put(operation(f"U{number}"), urgent=True)
        lanes.put(operation(f"o{number}"), urgent=False)
    group = await names(lanes, 16)
    assert ["o0", "o1"] == group[-2:]
    assert 16 == len(group)


async def test_one_by_one_the_share_is_the_same() -> None:
    """PostgreSQL's workers take single operations; after seven urgent ones it is an ordinary one's turn."""
    lanes = Lanes(100)
    for _ in range(50):
        lanes.put(operation("U"), urgent=True)
        lanes.put(operation("o"), urgent=False)
    taken = [(await names(lanes, 1))[0] for _ in range(16)]
    assert ["U"] * 7 + ["o"] + ["U"] * 7 + ["o"] == taken


async def test_each_lane_is_bounded_on_its_own() -> None:
    """Ordinary work that piles up does not keep an urgent settlement out."""
    lanes = Lanes(1)
    lanes.put(operation("a"), urgent=False)
    with pytest.raises(StoreUnavailable) as refused:
        lanes.put(operation("b"), urgent=False)
    assert "store_busy" == refused.value.code
    lanes.put(operation("U"), urgent=True)
    assert 2 == len(lanes)


async def test_a_closed_lane_takes_nothing_and_gives_the_rest() -> None:
    """A store that stops finishes what is queued."""
    lanes = Lanes(1)
    lanes.put(operation("a"), urgent=False)
    lanes.is_closed = True
    with pytest.raises(StoreUnavailable) as refused:
        lanes.put(operation("b"), urgent=True)
    assert "store_closed" == refused.value.code
    assert ["a"] == await names(lanes, 8)
