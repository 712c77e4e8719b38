"""`botyard runner`: what it does, drained, resumed, revoked."""

import asyncio
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from yarl import URL

from agent.wire.messages import Stamp
from hub.services.screens import Picture, Screens
from hub.storage.transaction import Done, NewEvent, Transaction
from tests.support.api_hub import BUILD, RUNNER, ApiWorld
from tests.support.typed import Typed
from tests.support.waiting import eventually


async def test_a_runner_is_drained_resumed_and_revoked(world: ApiWorld, typed: Typed) -> None:
    assert b"desk-1: connected (draining)\n" == (await typed("runner", "drain", "desk-1")).out
    assert b"desk-1: connected\n" == (await typed("runner", "resume", "desk-1")).out
    assert (await typed("runner", "show", "desk-1", "--json")).json()["slots"] == 1
    unasked = await typed("runner", "revoke", "desk-1")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert b"desk-1: revoked\n" == (await typed("runner", "revoke", "desk-1", "--yes")).out


async def test_show_tells_what_it_does_and_what_it_has(world: ApiWorld, typed: Typed) -> None:
    """Issue 3, part 6: slots with their tasks, link, version, platform, builds, limits, why it is not fit."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.update(
        "runners",
        RUNNER,
        agent_version="9.9",
        platform={"os": "linux", "limits": "cgroup2"},
        connected_at=world.clock.now(),
    )
    prepared: dict[str, Any] = {"runner_id": RUNNER, "build_id": BUILD, "state": "prepared", "progress": 1.0}
    await world.insert("preparations", updated_at=world.clock.now(), **prepared)
    world.hub.book.renew(RUNNER, 1, Stamp(boot_ns=1, wall_ns=1), ready=False, unfit=("no space left",))

    told = (await typed("runner", "show", "desk-1", "--json")).json()
    shown = (await typed("runner", "show", "desk-1")).text

    assert [(1, "invoices", "running", 0)] == [
        (one["number"], one["automation"], one["state"], one["slot"]) for one in told["busy"]
    ]
    assert (0, False, ["no space left"]) == (told["free"], told["fit"], told["unfit"])
    assert [("invoices", "1", "prepared", True)] == [
        (one["bot"], one["version"], one["state"], one["is_released"]) for one in told["builds"]
    ]
    for words in ("no space left", "slot 0: task 1 (invoices) running", "cgroup2", "9.9", "os=linux", "0 of 1 free"):
        assert words in shown


async def test_drain_waits_for_the_last_bot(world: ApiWorld, typed: Typed) -> None:
    """Woken by the feed: the waiting ends when the last execution has settled."""
    task = await world.new_task()
    await world.begin(task["id"])
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(typed("runner", "drain", "desk-1", "--wait"))
        await eventually(lambda: _is_draining(world))
        assert not waiting.done()
        await world.settle(task["id"])
        await typed_event(world)
    answer = waiting.result()
    assert (0, "desk-1: connected (draining)\n") == (answer.code, answer.text)
    assert "nothing runs any more" in answer.err


async def test_drain_ends_when_somebody_gives_it_work_again(world: ApiWorld, typed: Typed) -> None:
    task = await world.new_task()
    await world.begin(task["id"])
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(typed("runner", "drain", "desk-1", "--wait"))
        await eventually(lambda: _is_draining(world))
        await world.call("POST", "/runners/desk-1/resume")
    assert (1, True) == (waiting.result().code, "was given work again" in waiting.result().err)


async def _is_draining(world: ApiWorld) -> bool:
    return bool((await world.get("/runners/desk-1"))["draining"])


async def typed_event(world: ApiWorld) -> None:
    """An event of the runner, as its execution's settlement is one."""
    event = NewEvent(
        workspace_id=world.admin.workspace_id,
        kind="execution.settled",
        subject=RUNNER,
        runner_id=RUNNER,
        actor="hub",
    )
    await world.store.write(partial(_record, event))


def _record(event: NewEvent, tx: Transaction) -> Done[None]:
    tx.record(event)
    return Done(None)


async def test_show_says_in_one_place_why_it_gets_no_work(world: ApiWorld, typed: Typed) -> None:
    """Each reason with since when and what ends it; the list has a word of it."""
    fault = {"code": "locked", "message": "", "remedy": "unlock it.", "since": world.clock.now().isoformat()}
    desktop = {"slot": 0, "kind": "x11", "name": ":0", "width": 1920, "height": 1080, "faults": [fault]}
    condition = {"type": "condition", "desktops": [desktop], "applications": ["browser"], "faults": []}
    await world.update("runners", RUNNER, condition=condition, condition_at=world.clock.now())
    world.offer_slot()
    assert "(locked)" in (await typed("runner", "list")).text
    shown = (await typed("runner", "show", "desk-1")).text
    for words in (
        "not all work because:",
        "unfit: Its desktop :0 is locked since",
        "(only what needs this desktop)",
        "unlock it.",
        "slot 0: desktop :0 (x11 1920x1080): locked",
        "browser",
    ):
        assert words in shown, shown
    await typed("runner", "drain", "desk-1", "--reason", "updates")
    drained = (await typed("runner", "show", "desk-1")).text
    assert "no work because:" in drained
    assert "It is drained: updates (by" in drained
    assert "botyard runner resume desk-1." in drained


async def test_watch_takes_the_first_slot_with_a_desktop(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says which, where there are several; bots of the other slots run in the background."""
    # No runner is linked to this world: every desktop shows a picture at once.
    view = SimpleNamespace(first=AsyncMock(return_value=Picture(number=1, png=b"")))
    monkeypatch.setattr(Screens, "look", lambda *_: nullcontext(view))
    await world.update("runners", RUNNER, hub_id=world.hub.identity.hub_id)
    for slots, words in (((2,), ""), ((3, 1), "the desktop of slot 1; --desktop takes another: 3")):
        desktops = [{"slot": slot, "kind": "x11", "name": f":{slot}", "faults": []} for slot in slots]
        condition = {"type": "condition", "desktops": desktops, "applications": [], "faults": []}
        await world.update("runners", RUNNER, slots=4, condition=condition, condition_at=world.clock.now())
        answer = await typed("runner", "watch", "desk-1")
        assert answer.code == 0, answer.err
        async with world.client.get(world.url + URL(answer.text.strip()).path) as page:
            assert f"desktop of slot {min(slots)}," in await page.text()
        assert words in answer.err
        assert ("the desktop of slot" in answer.err) == bool(words)
