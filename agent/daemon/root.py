"""Composition root of the daemon: what is made, in which order, who ends it, and its exit code (`design.md` §5).

    lock home > checks > spool > adoption > gateway > link        SIGTERM: no new work, bots stay, gone within 10 s

Two ways to end: `stop` (SIGTERM, SIGINT: bots live on under their shims; a second one ends at once) and `stop_now`
(SIGUSR1, `stop --now`: the kill ladder for all bots, their last facts, then the end).
"""

import asyncio
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from agent.artifacts import Collector
from agent.builds import LocalBuilds, open_workshop, this_machine
from agent.builds.http import TicketedHub
from agent.cgroups.choice import chosen
from agent.config import Settings
from agent.daemon.benches import Benches
from agent.daemon.house import House
from agent.daemon.life import AskedToStopError, Life
from agent.daemon.uplink import Uplink, Way
from agent.errors import EXIT_ASKED, AgentError
from agent.folders import Folders
from agent.home import Home, Membership
from agent.keys import proofs
from agent.ledger import Ledger
from agent.link import parse_address, proxy_to, tls_context
from agent.machine import boot_id, describe
from agent.ports import Clock, Disk, SystemClock, SystemDisk
from agent.session_effects import Identity
from agent.shim.verdict import VerdictDesk
from agent.slots import Slots
from agent.spool import Spool

log = logging.getLogger(__name__)
_SWITCH_S = 0.0005
"""A thread that did something for the loop waits for a busy one this long, not 5 ms, before it may say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The machine, as far as the daemon touches it by ports."""

    clock: Clock
    disk: Disk


async def run(home: Home, settings: Settings, ports: Ports | None = None) -> int:
    """Run the daemon of a locked home until it is asked to stop; return its exit code. Raises AgentError."""
    membership = home.membership()
    home.check_machine()
    home.check_exclusive_link()
    try:
        await _live(home, membership, settings, ports or Ports(clock=SystemClock(), disk=SystemDisk()))
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
    ports.disk.make_folder(folders.executions)
    spool = await Spool.open(folders.spool)
    try:
        slots = Slots(settings.slots if settings.slots is not None else membership.slots)
        way = _way(home, membership, settings, slots.count)
        uplink = Uplink(way)
        builds = await asyncio.to_thread(
            lambda: LocalBuilds(
                open_workshop(home.path, ports.disk, limit_bytes=settings.cache_limit),
                TicketedHub(uplink.forward),
                this_machine(way.address.origin),
                uplink.preparation,
            )
        )
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
            boot_id=boot_id(),
            verdicts=VerdictDesk(disk=ports.disk, clock=ports.clock),
            upstream=uplink,
            benches=Benches(slots, builds, uplink.slots_changed),
            collector=Collector(uplink),
        )
        await Life(house, uplink).run(tombstones)
    finally:
        await spool.close()


def _way(home: Home, membership: Membership, settings: Settings, slots: int) -> Way:
    address = parse_address(membership.hub_url, insecure=membership.insecure)
    identity = Identity(
        runner_id=membership.runner_id,
        hub_id=membership.hub_id,
        hub_key=membership.hub_key,
        home_id=home.home_id(),
        boot_id=boot_id(),
        fingerprint=home.fingerprint(),
        origin=address.origin,
        agent_version=agent_version(),
        platform=describe() | {"limits": str(chosen().mode)},
        slots=slots,
    )
    tls = tls_context(settings.authority(home.path)) if address.is_secure else None
    proxy = proxy_to(address, settings.proxy)
    if proxy is not None:
        log.info("the way to the hub leads through %s", proxy.shown)
    return Way(address=address, identity=identity, proofs=proofs(home.private_key()), tls=tls, proxy=proxy)


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
