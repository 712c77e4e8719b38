"""Which task comes first, and on which runner: old before urgent, idle automations first, proven runners first."""

import random
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from agent.wire.condition import Condition
from agent.wire.messages import Preparation
from agent.wire.words import DesktopNeed, PreparationState
from hub.domain.automation import Definition
from hub.domain.condition import needs_of
from hub.domain.demand import Sharing
from hub.domain.desktop_wish import DesktopWish
from hub.services import automations, conditions, dispatch, preparations, resources, tasks
from hub.services.resources import Wanted
from hub.storage import automations as automation_rows
from hub.storage import tables
from hub.storage.direct import Direct
from hub.storage.transaction import Done, Transaction
from tests.support.sharing import create, end, orders, serve, slots, why
from tests.support.work_world import (
    ADMIN,
    BUILD,
    HOME,
    HUB_ID,
    OTHER_RUNNER,
    RUNNER,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    insert,
    key_of,
)


async def test_an_old_task_of_low_priority_comes_before_new_urgent_ones(world: WorkWorld) -> None:
    low = await world.create(priority=0)
    world.clock.advance(timedelta(hours=5, minutes=31).total_seconds())
    await world.create(priority=10)
    session = await slots(world, 1)
    await serve(world)
    assert low.id == orders(session)[0].task_id


async def test_of_two_automations_that_wait_alike_the_idle_one_comes_first(world: WorkWorld) -> None:
    await world.store.write(automations.create, ADMIN, Definition(label="plain", bot="invoices"))
    session = await slots(world, 1)
    for _ in range(3):
        await create(world)
    await serve(world)
    later = await world.create("plain")
    world.offer(session, 1)
    await serve(world)
    assert later.id == orders(session)[1].task_id
    assert BUILD == orders(session)[1].work.build.build_id


async def test_a_runner_on_which_the_bot_has_succeeded_comes_before_a_less_busy_one(world: WorkWorld) -> None:
    """It is remembered: by the book at once, by the store for the next session."""
    proven = await slots(world, 1)
    ready = Preparation(build_id=BUILD, state=PreparationState.PREPARED)
    await world.store.write(preparations.record, WORKSPACE, RUNNER, proven.epoch, ready)
    await world.create()
    await end(world, proven, orders(proven)[0])
    other = await slots(world, 4, OTHER_RUNNER)
    world.offer(proven)
    await world.create()
    assert (2, 0) == (len(orders(proven)), len(orders(other)))
    await end(world, proven, orders(proven)[1])
    again = await slots(world, 1)
    await world.create()
    assert (1, 0) == (len(orders(again)), len(orders(other)))


async def test_a_plain_task_is_granted_without_a_look_at_limits(world: WorkWorld, monkeypatch: Any) -> None:
    """What shares nothing pays nothing: the statements of a grant and of an end name no limit."""
    said: list[str] = []
    run = Direct.run
    rows = Direct.rows

    def noted(self: Any, tx: Any, values: Any) -> Any:
        said.append(str(self._statement))
        return run(self, tx, values)

    def looked(self: Any, tx: Any, values: Any) -> Any:
        said.append(str(self._statement))
        return rows(self, tx, values)

    session = await slots(world, 1)
    await create(world)
    credit = world.book.take_any(WORKSPACE)
    assert credit is not None
    monkeypatch.setattr(Direct, "run", noted)
    monkeypatch.setattr(Direct, "rows", looked)
    await world.store.write(dispatch.grant, credit, urgent=True)
    granted = [one for one in said if not one.startswith(("INSERT INTO events", "INSERT INTO executions"))]
    assert 6 == len(granted), "session, two looks for kinds, the best of it, what it runs, the guarded grant"
    await end(world, session, orders(session)[0])
    assert [] == [one for one in said if re.search(r"(FROM|INTO) (holds|starts)", one)]


@pytest.mark.parametrize("seed", range(6))
async def test_why_placement_and_an_oracle_agree_on_a_random_fleet(world: WorkWorld, seed: int) -> None:
    """On the real store: `next` is told of exactly the tasks that an oracle, and dispatch itself, would let start."""
    dice = random.Random(seed)
    fleet = await _random_fleet(world, dice)
    await world.store.write(resources.create, ADMIN, Wanted(label="sap", capacity=dice.choice([1, 2])))
    capacity = (await world.rows("resources"))[0]["capacity"]
    kinds = []
    for number in range(5):
        needs = {name: value for name, value in (("site", dice.choice("abc")), ("sap", "1")) if dice.random() < 0.6}
        units = dice.choice([0, 0, 1, 2]) if capacity > 1 else dice.choice([0, 1])
        sharing = Sharing(uses={"sap": units} if units else {}, concurrency=dice.choice([None, None, 1]))
        wish = dice.choice(["any", "any", "required", "1920x1080"])
        kinds.append((needs, sharing, wish))
        definition = Definition(
            label=f"a{number}", bot="invoices", needs=needs, sharing=sharing, on_screen=_wishes(wish)
        )
        await world.store.write(automations.create, ADMIN, definition)
    made = [(await world.store.write(tasks.create, _new(f"a{number}"))).id for number in range(5) for _ in range(2)]
    held = dice.choice([0, 1])
    if held:
        await world.store.write(_hold, made[0], "resource:sap")
    busy = (await world.rows("tasks", id=made[0]))[0]["automation_id"] if held else ""
    stopped = {row["id"] for row in await world.rows("automations") if dice.random() < 0.2}
    await world.store.write(_stop, stopped)
    openings = await world.store.read(dispatch.openings, WORKSPACE)
    for task_id in made[1 if held else 0 :]:
        row = (await world.rows("tasks", id=task_id))[0]
        needs, sharing, wish = kinds[made.index(task_id) // 2]
        some = any(
            is_free and builds and not drain and _meets(one, needs) and _shows(screen, wish)
            for one, drain, builds, is_free, screen in fleet
        )
        units = sharing.uses.get("sap", 0)
        room = not units or held + units <= capacity
        room = room and not (sharing.concurrency == 1 and row["automation_id"] == busy)
        told = "next" in [code for code, _, _ in await why(world, task_id)]
        may = row["automation_id"] not in stopped
        assert (some and room and may) == told, (seed, needs, sharing)
        is_open = row["automation_id"] in {one.kind.automation_id for one in openings.found}
        credit = world.book.take(WORKSPACE, {**needs, **needs_of(_wishes(wish))}, BUILD)
        assert told == (is_open and credit is not None)
        if credit is not None:
            world.book.put_back(credit)


async def _random_fleet(world: WorkWorld, dice: random.Random) -> list[tuple[dict[str, str], bool, bool, int, str]]:
    """Five runners with a slot each: (labels, drained, has the build, free, its screen)."""
    labels = [{"site": dice.choice("ab"), **({"sap": "1"} if dice.random() < 0.5 else {})} for _ in range(5)]
    drained = [dice.random() < 0.25 for _ in labels]
    has_build = [dice.random() < 0.7 for _ in labels]
    free = [dice.choice([0, 0, 1]) for _ in labels]
    await world.store.write(_fleet, labels, drained)
    for number, one in enumerate(labels):
        builds = [BUILD] if has_build[number] else []
        _open(world, _runner(number), one, builds, is_drained=drained[number], is_free=bool(free[number]))
    screens = [dice.choice(["", "1920x1080", "1920x1080", "1280x720", "locked", "low_disk"]) for _ in labels]
    for number, screen in enumerate(screens):
        await _tell(world, _runner(number), screen)
    return list(zip(labels, drained, has_build, free, screens, strict=True))


async def _tell(world: WorkWorld, runner_id: str, screen: str) -> None:
    """The runner's one slot has a desktop of that size, a locked one, none, or its machine is out of room."""
    faults = {name: [{"code": name, "message": name, "since": world.clock.now()}] for name in [screen]}
    width, _, height = (screen if "x" in screen else "1920x1080").partition("x")
    desktop = {"slot": 0, "kind": "x11", "name": ":0", "width": width, "height": height}
    desktop |= {"faults": faults["locked"]} if screen == "locked" else {}
    machine = faults["low_disk"] if screen == "low_disk" else []
    told = Condition.model_validate({"desktops": [desktop] if screen else [], "faults": machine})
    world.book.told(runner_id, 1, told)
    await world.store.write(conditions.record, key_of(world.sessions.by_runner[runner_id]), told)


def _wishes(wish: str) -> DesktopWish:
    if wish == "any":
        return DesktopWish()
    return DesktopWish(desktop=DesktopNeed.REQUIRED, size="" if wish == "required" else wish)


def _shows(screen: str, wish: str) -> bool:
    """The oracle's own words."""
    if screen == "low_disk":
        return False
    return wish == "any" or ("x" in screen and wish in {"required", screen})


def _stop(tx: Transaction, ids: set[str]) -> Done[None]:
    for automation_id in sorted(ids):
        automation_rows.stop(tx, WORKSPACE, automation_id, "a test")
    return Done(None)


def _new(label: str) -> tasks.NewTask:
    return tasks.NewTask(workspace_id=WORKSPACE, automation=label, parameters={}, actor="token:ana")


def _runner(number: int) -> str:
    return f"rnr_{number + 0x100:032x}"


def _open(
    world: WorkWorld, runner_id: str, labels: dict[str, str], builds: list[str], *, is_drained: bool, is_free: bool
) -> None:
    """A session of that runner, its inventory answered."""
    world.book.open_session(WORKSPACE, runner_id, 1, labels)
    world.book.resumed(runner_id, 1, builds, draining=is_drained)
    session = world.sessions.by_runner[runner_id] = PlayedSession(runner_id=runner_id, epoch=1)
    if is_free:
        world.offer(session)


def _fleet(tx: Transaction, labels: list[dict[str, str]], drained: list[bool]) -> Done[None]:
    known = {"public_key": "k", "home_id": HOME, "fingerprint": "f", "slots": 1, "state": "enrolled"}
    known |= {"session_epoch": 1, "last_epoch": 1, "hub_id": HUB_ID, "created_at": tx.now}
    for number, one in enumerate(labels):
        insert(tx, "runners", id=_runner(number), name=f"d-{number}", labels=one, draining=drained[number], **known)
    return Done(None)


def _hold(tx: Transaction, task_id: str, limit_key: str) -> Done[None]:
    """The task runs somewhere else and holds one of it, and its automation's turn."""
    row = tasks.show(tx, WORKSPACE, task_id)
    tx.connection.execute(sa.update(tables.tasks).where(tables.tasks.c.id == row.id).values(state="running"))
    automation = tx.connection.execute(
        sa.select(tables.tasks.c.automation_id).where(tables.tasks.c.id == row.id)
    ).scalar_one()
    for key in (limit_key, f"automation:{automation}"):
        insert(tx, "holds", limit_key=key, task_id=task_id, units=1, since=tx.now)
    return Done(None)


def _meets(labels: dict[str, str], needs: dict[str, str]) -> bool:
    return all(name in labels and (value in {"", labels[name]}) for name, value in needs.items())
