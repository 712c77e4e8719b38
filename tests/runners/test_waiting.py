"""The flag and the inbox of a session: as asyncio's own, and nothing held while nothing happens (P9)."""

import asyncio
import sys

import pytest

from hub.runners.waiting import Flag, Inbox, InboxFull


async def test_everybody_who_waits_for_a_flag_is_woken_and_whoever_comes_later_never_waits() -> None:
    flag = Flag()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(flag.wait()) for _ in range(3)]
        gone = group.create_task(flag.wait())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        flag.set()
    assert all(task.done() and not task.cancelled() for task in waiting)
    await flag.wait()
    flag.clear()
    assert not flag.is_set()


async def test_an_inbox_keeps_its_order_and_its_bound() -> None:
    inbox: Inbox[int] = Inbox(3)
    for number in range(3):
        inbox.put(number)
    with pytest.raises(InboxFull):
        inbox.put(3)
    assert [await inbox.get(), inbox.take(), len(inbox)] == [0, 1, 1]
    assert await inbox.get() == 2
    assert inbox.empty()


async def test_a_reader_that_waits_gets_what_comes() -> None:
    inbox: Inbox[str] = Inbox(3)
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(inbox.get())
        await asyncio.sleep(0)
        inbox.put("late")
    assert reader.result() == "late"


def test_an_empty_one_weighs_nothing_to_speak_of() -> None:
    """asyncio.Queue takes 2.4 KB before anything was put in."""
    inbox: Inbox[int] = Inbox(3)
    assert sys.getsizeof(inbox) + sys.getsizeof(inbox._filled) < 150
