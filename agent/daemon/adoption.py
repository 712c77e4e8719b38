"""At start: every folder becomes an execution again, before anything is said to the hub (`core.md` D1, D5; R21, R24).

no order.json          no shim ever had it: removed
order.json spoiled     a bot of our own user can do that: what the spool and the verdict tell of it counts
tombstone              it was forgotten, the folder's removal was interrupted: removed
no verdict             voided by us, durable, before the first connection
started, shim alive    connected again: masks first, then the gateway
started, exit file     its exit becomes a fact, if it is not one yet
started, neither       supervisor_lost, or host_restarted after a reboot
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.builds.short_tmp import drop_short
from agent.cgroups.groups import remove_groups_of, remove_leftovers
from agent.daemon.desk import Desk
from agent.daemon.house import House
from agent.daemon.keeper import Keeper
from agent.daemon.last_fact import SPOILED
from agent.daemon.rim import begin
from agent.execution import ENDED, LocalExecution, Phase
from agent.folders import StoredOrder, execution_folders, read_order
from agent.gateway_socket import GatewaySocket
from agent.inventory import recover
from agent.shim.client import ShimGone, ShimRefused
from agent.shim.verdict import Verdict, VerdictError, VerdictKind
from agent.spool import Tombstone
from agent.wire.facts import ExitFact, Fact

log = logging.getLogger(__name__)
_CONNECT_S = 5.0
_DECIDE_S = 30.0


async def adopt(house: House, desk: Desk, tombstones: list[Tombstone]) -> None:
    """Take over what earlier daemons left; on return every order has a verdict, and living shims were asked once."""
    buried = {stone.execution_id for stone in tombstones}
    spooled = await house.spool.executions()
    orders = await asyncio.to_thread(_orders, house, buried, frozenset(spooled))
    keepers = [await _adopt_one(house, desk, order) for order in orders]
    known = {order.execution_id for order in orders}
    keepers += [await _adopt_orderless(house, desk, one) for one in spooled if one not in known]
    # Bounded: one whose files fail again and again waits alone, and is told as undecided.
    await _each(_DECIDE_S, (keeper.decided for keeper in keepers))
    running = [keeper for keeper in keepers if keeper.value.phase is Phase.STARTED]
    await _each(_CONNECT_S, (keeper.met for keeper in running))
    mine, groups = {order.execution_id for order in orders}, house.shims.hierarchies
    await asyncio.to_thread(remove_leftovers, mine, house.clock.now(), groups)
    house.is_adopting = False
    if keepers:
        log.info("adopted %d executions, %d of them running", len(keepers), len(running))


async def take_gateway_socket(house: House) -> GatewaySocket | None:
    """The listening socket that some living shim keeps, or None (`core.md` §6)."""
    for keeper in house.keepers.values():
        if keeper.client is None:
            continue
        with suppress(ShimGone, ShimRefused, TimeoutError):
            return await keeper.client.take_gateway_socket()
    return None


async def _each(within_s: float, events: Iterable[asyncio.Event]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            for event in events:
                await event.wait()


def _orders(house: House, buried: set[str], spooled: frozenset[str]) -> list[StoredOrder]:
    found = []
    for folder in execution_folders(house.folders, house.disk):
        order = None if folder.name in buried else read_order(folder, house.disk)
        if order is not None and order.execution_id == folder.name:
            found.append(order)
        elif folder.name in buried:
            _remove(house, folder)
        elif folder.name not in spooled:
            started = _started(house, folder)
            if started is None:
                _remove(house, folder)
            else:
                found.append(_lost_order(house, folder.name, started.fence))
    return found


def _started(house: House, folder: Path) -> Verdict | None:
    """A verdict without an order: it ran, and a hub that was not told so would let it run again (D8)."""
    with suppress(VerdictError, *SPOILED):
        verdict = house.verdicts.read(folder)
        return verdict if verdict is not None and verdict.kind is VerdictKind.STARTED else None
    return None


def _lost_order(house: House, execution_id: str, fence: int) -> StoredOrder:
    log.error("%s: its order is gone", execution_id)
    return StoredOrder.model_construct(execution_id=execution_id, task_id="", fence=fence, boot_id=house.boot_id)


def _remove(house: House, folder: Path) -> None:
    log.info("%s: removed, it was never handed over or is forgotten", folder.name)
    try:
        remove_groups_of(folder.name)
        house.disk.remove_tree(folder)
        drop_short(folder)
    except OSError as error:
        log.warning("%s could not be removed: %s; tried again at the next start", folder, error)


async def _adopt_one(house: House, desk: Desk, order: StoredOrder) -> Keeper:
    facts = await house.spool.read(order.execution_id)
    fresh = LocalExecution(execution_id=order.execution_id, task_id=order.task_id, fence=order.fence, slot=order.slot)
    return await _adopt(house, desk, recover(fresh, facts), order, facts)


async def _adopt_orderless(house: House, desk: Desk, execution_id: str) -> Keeper:
    """Facts whose order is gone or spoiled are told all the same; a verdict that is left leads to the shim."""
    facts = await house.spool.read(execution_id)
    order = _lost_order(house, execution_id, facts[-1].fence)
    fresh = LocalExecution(execution_id=execution_id, task_id="", fence=order.fence)
    return await _adopt(house, desk, recover(fresh, facts), order, facts)


async def _adopt(house: House, desk: Desk, value: LocalExecution, order: StoredOrder, facts: list[Fact]) -> Keeper:
    house.ledger.put(value)
    keeper = desk.keep(value, order)
    survivors = any(fact.body.survivors for fact in facts if isinstance(fact.body, ExitFact))
    if order.work is not None and (survivors or value.phase not in ENDED):
        house.builds.adopted(order.execution_id, order.work.build.build_id)
    if value.slot is not None and (value.phase in {Phase.ORDERED, Phase.STARTED} or survivors):
        house.slots.adopt(value.slot, value.execution_id, is_stuck=survivors)
    try:
        await begin(keeper, facts)
    except Exception as error:  # noqa: BLE001 - the rim of one execution; it begins again after a pause
        keeper.fail(error)
    return keeper
