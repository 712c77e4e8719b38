"""Composition root of the daemon: what is made, in which order, who ends it, and its exit code (`design.md` §5).

    lock home > checks > spool > adoption > gateway > link        SIGTERM: no new work, bots stay, gone within 10 s

Two ways to end: `stop` (SIGTERM, SIGINT: bots live on under their shims; a second one ends at once) and `stop_now`
(SIGUSR1, `stop --now`: the kill ladder for all bots, their last facts, then the end).
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent.artifacts import Collector
from agent.builds import LocalBuilds, open_workshop, this_machine
from agent.builds.http import TicketedHub
from agent.builds_port import Builds
from agent.config import Settings
from agent.daemon.benches import Benches
from agent.daemon.doors import Doors, SystemDoors
from agent.daemon.house import House
from agent.daemon.life import AskedToStopError, Life
from agent.daemon.spool_age import count_start
from agent.daemon.uplink import Uplink, Way
from agent.desktops.making import Ground, make_desktops
from agent.desktops.port import Desktops
from agent.errors import EXIT_ASKED, AgentError
from agent.fitness.senses import Senses, SystemSenses
from agent.fitness.watch import Fitness
from agent.folders import Folders
from agent.home import Home, Membership
from agent.keys import proofs
from agent.ledger import Ledger
from agent.link import Dial, dial, parse_address, proxy_to, tls_context
from agent.machine import Machine, SystemMachine
from agent.mode import Mode
from agent.ports import Clock, Disk, SystemClock, SystemDisk
from agent.ports.files import sweep_drafts
from agent.screens.showing import Showing
from agent.session_effects import Identity
from agent.shim.verdict import VerdictDesk
from agent.shims import SystemShims
from agent.shims_port import Shims
from agent.slots import Slots
from agent.spool import Spool

log = logging.getLogger(__name__)
_SWITCH_S = 0.0005
"""A thread that did something for the loop waits for a busy one this long, not 5 ms, before it may say so."""


async def _local_builds(home: Home, settings: Settings, disk: Disk, uplink: Uplink) -> Builds:
    origin = uplink.way.address.origin
    return await asyncio.to_thread(
        lambda: LocalBuilds(
            open_workshop(home.path, disk, limit_bytes=settings.cache_limit),
            TicketedHub(uplink.forward),
            this_machine(origin, Mode(settings.mode)),
            uplink.preparation,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The machine, as far as the daemon touches it: the simulator gives it another one."""

    clock: Clock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=SystemDisk)
    machine: Machine = field(default_factory=SystemMachine)
    shims: Shims = field(default_factory=SystemShims)
    doors: Doors = field(default_factory=SystemDoors)
    senses: Senses | None = field(default_factory=SystemSenses)
    """None: nothing is looked at."""
    dial: Dial = dial
    open_spool: Callable[[Path, int], Awaitable[Spool]] = Spool.open
    make_desktops: Callable[[Settings, Ground], Desktops] = make_desktops
    make_builds: Callable[[Home, Settings, Disk, Uplink], Awaitable[Builds]] = _local_builds


async def run(home: Home, settings: Settings, ports: Ports | None = None) -> int:
    """Run the daemon of a locked home until it is asked to stop; return its exit code. Raises AgentError."""
    membership = home.membership()
    home.check_machine()
    home.check_exclusive_link()
    try:
        await _live(home, membership, settings, ports or Ports())
    except BaseExceptionGroup as group:
        ends = list(_leaves(group))
        for end in ends:
            if isinstance(end, AgentError):
                raise end from None
        if not all(isinstance(end, AskedToStopError) for end in ends):
            raise
    return EXIT_ASKED


async def _live(home: Home, membership: Membership, settings: Settings, ports: Ports) -> None:
    sys.setswitchinterval(_SWITCH_S)
    folders = Folders(home=home.path)
    sweep_drafts(ports.disk, home.path)
    ports.disk.make_folder(folders.executions)
    spool = await ports.open_spool(folders.spool, home.starts)
    try:
        await count_start(home, spool)
        slots = Slots(settings.slots if settings.slots is not None else membership.slots)
        uplink = Uplink(_way(home, membership, settings, slots.count, ports))
        ground = Ground(
            home=home.path,
            disk=ports.disk,
            hierarchies=ports.shims.hierarchies,
            count=slots.count,
            has_bot=lambda slot: slots.is_taken(slot) and house.has_bot_in(slot),
            is_taken=slots.is_taken,
        )
        desktops = await asyncio.to_thread(ports.make_desktops, settings, ground)
        builds = await ports.make_builds(home, settings, ports.disk, uplink)
        tombstones = await spool.tombstones()
        uplink.house = house = House(
            clock=ports.clock,
            disk=ports.disk,
            home=home,
            membership=membership,
            folders=folders,
            spool=spool,
            ledger=Ledger(tombstones),
            slots=slots,
            builds=builds,
            boot_id=ports.machine.boot_id(),
            shims=ports.shims,
            verdicts=VerdictDesk(disk=ports.disk, clock=ports.clock),
            upstream=uplink,
            benches=Benches(slots, builds, ports.shims, lambda: _slots_changed(uplink, desktops)),
            desktops=desktops,
            collector=Collector(uplink),
            showing=Showing(ports.clock, desktops.of_slot, uplink),
            allowance=settings.allowance(),
        )
        house.fitness = Fitness(house, desktops, ports.senses, settings.wanted())
        desktops.hear(house.fitness.wake)
        await Life(house, uplink, ports.doors).run(tombstones)
    finally:
        await spool.close()


def _slots_changed(uplink: Uplink, desktops: Desktops) -> None:
    desktops.wake()
    uplink.slots_changed()


def _way(home: Home, membership: Membership, settings: Settings, slots: int, ports: Ports) -> Way:
    address = parse_address(membership.hub_url, insecure=membership.insecure)
    identity = Identity(
        runner_id=membership.runner_id,
        hub_id=membership.hub_id,
        hub_key=membership.hub_key,
        home_id=home.home_id(),
        boot_id=ports.machine.boot_id(),
        fingerprint=home.fingerprint(),
        origin=address.origin,
        agent_version=agent_version(),
        platform=ports.machine.describe() | {"limits": str(ports.shims.hierarchies.mode)},
        slots=slots,
    )
    tls = tls_context(settings.authority(home.path)) if address.is_secure else None
    proxy = proxy_to(address, settings.proxy)
    if proxy is not None:
        log.info("the way to the hub leads through %s", proxy.shown)
    keys = proofs(home.private_key())
    return Way(address=address, identity=identity, proofs=keys, tls=tls, proxy=proxy, dial=ports.dial)


def agent_version() -> str:
    """The version of the installed wheel."""
    try:
        return version("botyard")
    except PackageNotFoundError:
        return f"source {sys.implementation.name}"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
