"""At start: every folder becomes an execution again, before anything is said to the hub (`core.md` D1, D5; R21, R24).

no order.json          no shim ever had it: removed
tombstone              it was forgotten, the folder's removal was interrupted: removed
no verdict             voided by us, durable, before the first connection
started, shim alive    connected again: masks first, then the gateway
started, exit file     its exit becomes a fact, if it is not one yet
started, neither       supervisor_lost, or host_restarted after a reboot
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from agent.cgroups.groups import remove_leftovers
from agent.daemon import conclusion, watch
from agent.daemon.desk import Desk
from agent.daemon.handover import secret_values
from agent.daemon.house import House
from agent.daemon.keeper import Keeper
from agent.execution import ENDED, LocalExecution, Phase
from agent.execution_events import CannotStart
from agent.folders import StoredOrder, execution_folders, read_order
from agent.gateway_socket import GatewaySocket
from agent.inventory import recover
from agent.shim.client import ShimGone, ShimRefused
from agent.shim.mask_file import kept_masks
from agent.shim.verdict import VerdictError
from agent.spool import Tombstone
from agent.wire.facts import ExitFact, Fact
from agent.wire.words import VoidReason

log = logging.getLogger(__name__)
_CONNECT_S = 5.0


async def adopt(house: House, desk: Desk, tombstones: list[Tombstone]) -> None:
    """Take over what earlier daemons left; on return every order has a verdict, and living shims were asked once."""
    buried = {stone.execution_id for stone in tombstones}
    orders = await asyncio.to_thread(_orders, house, buried)
    keepers = [await _adopt_one(house, desk, order) for order in orders]
    await _adopt_folderless(house, desk, {order.execution_id for order in orders})
    for keeper in keepers:
        await keeper.decided.wait()
    running = [keeper for keeper in keepers if keeper.value.phase is Phase.STARTED]
    with suppress(TimeoutError):
        async with asyncio.timeout(_CONNECT_S):
            for keeper in running:
                await keeper.met.wait()
    await asyncio.to_thread(remove_leftovers, {order.execution_id for order in orders}, house.clock.now())
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


def _orders(house: House, buried: set[str]) -> list[StoredOrder]:
    found = []
    for folder in execution_folders(house.folders):
        order = None if folder.name in buried else read_order(folder, house.disk)
        if order is None or order.execution_id != folder.name:
            _remove(house, folder)
        else:
            found.append(order)
    return found


def _remove(house: House, folder: Path) -> None:
    log.info("%s: removed, it was never handed over or is forgotten", folder.name)
    try:
        house.disk.remove_tree(folder)
    except OSError as error:
        log.warning("%s could not be removed: %s; tried again at the next start", folder, error)


async def _adopt_one(house: House, desk: Desk, order: StoredOrder) -> Keeper:
    facts = await house.spool.read(order.execution_id)
    fresh = LocalExecution(execution_id=order.execution_id, task_id=order.task_id, fence=order.fence, slot=order.slot)
    keeper = _keep(house, desk, recover(fresh, facts), order, facts)
    keeper.available = await asyncio.to_thread(keeper.output.length)
    match keeper.value.phase:
        case Phase.ORDERED:
            await _decide(keeper)
        case Phase.STARTED:
            keeper.spawn(watch.watch(keeper), "watch")
        case Phase.EXITED:
            keeper.spawn(conclusion.conclude(keeper), "conclude")
        case _:
            pass
    return keeper


def _keep(house: House, desk: Desk, value: LocalExecution, order: StoredOrder, facts: list[Fact]) -> Keeper:
    house.ledger.put(value)
    keeper = desk.keep(value, order)
    if order.work is not None:
        # The shim knows more, where it lives; where it does not, nobody else says what is secret.
        keeper.masks.add(secret_values(order.work))
        keeper.masks.add(kept_masks(keeper.folder))
    keeper.artifacts.recall(facts)
    survivors = any(fact.body.survivors for fact in facts if isinstance(fact.body, ExitFact))
    if order.work is not None and (survivors or value.phase not in ENDED):
        house.builds.adopted(order.execution_id, order.work.build.build_id)
    if value.slot is not None and (value.phase in {Phase.ORDERED, Phase.STARTED} or survivors):
        house.slots.adopt(value.slot, value.execution_id, is_stuck=survivors)
    return keeper


async def _decide(keeper: Keeper) -> None:
    """No fact tells the verdict: read it, or make it void."""
    try:
        verdict = await asyncio.to_thread(keeper.house.verdicts.read, keeper.folder)
    except VerdictError as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        verdict = None
    if verdict is None:
        keeper.post(CannotStart(reason=VoidReason.DAEMON_RESTARTED))
    else:
        keeper.saw(verdict)


async def _adopt_folderless(house: House, desk: Desk, known: set[str]) -> None:
    """Facts whose folder is gone are told all the same; of a running one nothing more can be known."""
    for execution_id in await house.spool.executions():
        if execution_id in known:
            continue
        facts = await house.spool.read(execution_id)
        fresh = LocalExecution(execution_id=execution_id, task_id="", fence=facts[-1].fence)
        order = StoredOrder.model_construct(
            execution_id=execution_id, task_id="", fence=fresh.fence, boot_id=house.boot_id
        )
        log.error("%s: its folder is gone", execution_id)
        keeper = _keep(house, desk, recover(fresh, facts), order, facts)
        if keeper.value.phase is Phase.STARTED:
            keeper.spawn(conclusion.find_exit(keeper), "find exit")
        elif keeper.value.phase is Phase.EXITED:
            keeper.spawn(conclusion.conclude(keeper), "conclude")
