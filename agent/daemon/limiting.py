"""Limits of one execution on this machine: what the kernel keeps, what the shim watches, live changes (S20).

| limit | with cgroup v2 or v1 | without |
|---|---|---|
| memory | memory.max, memory.limit_in_bytes: the kernel ends it | the shim watches, and kills the tree |
| processes | pids.max; a refused fork ends the bot | the shim watches, and kills the tree |
| CPU cores | cpu.max, cpu.cfs_quota_us | whole cores, by affinity |
| CPU seconds, disk | the shim watches, and stops by the ladder | the same |
| open files, file size | rlimits | rlimits |

No rlimit for memory or processes: RLIMIT_AS and RLIMIT_DATA count what is reserved, which breaks Node and Java, and
RLIMIT_NPROC counts everything of the same user and nothing of root.
"""

import asyncio
import logging
import os
import sys
import zlib
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cgroups.choice import CPU, MEMORY, PIDS, Hierarchies
from agent.cgroups.groups import Group, Wanted, hold, make_group
from agent.execution import Phase
from agent.folders import write_order
from agent.shim.bounds import Bounds
from agent.shim.client import LiveLimits, ShimGone, ShimRefused
from agent.wire.task import Limits

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)


def make_groups(execution_id: str, limits: Limits, hierarchies: Hierarchies) -> tuple[Group, frozenset[str]]:
    """Make the groups of an execution and write its limits; return which of these the kernel keeps. Blocks."""
    wanted = _wanted(limits)
    group = make_group(execution_id, wanted, hierarchies)
    return group, hold(group, wanted, {})


def bounds_of(limits: Limits, kept: frozenset[str]) -> Bounds:
    """What is left for the shim to watch."""
    return Bounds(
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        cpu_seconds=limits.cpu_seconds,
        disk_bytes=limits.disk_bytes,
        kept=tuple(sorted(kept)),
    )


def rlimits_of(limits: Limits, given: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """What each process of the bot may do, beside what its kind needs."""
    found = dict(given)
    if limits.open_files is not None:
        found["NOFILE"] = (limits.open_files, limits.open_files)
    if limits.file_bytes is not None:
        found["FSIZE"] = (limits.file_bytes, limits.file_bytes)
    return found


def cpus_of(limits: Limits, kept: frozenset[str], execution_id: str) -> tuple[int, ...]:
    """The only CPUs that it may run on, where no group keeps its share; empty for all."""
    if limits.cpu_cores is None or CPU in kept or sys.platform != "linux":
        return ()
    ours = sorted(os.sched_getaffinity(0))
    count = ceil(limits.cpu_cores)
    if count >= len(ours):
        return ()
    # Spread by chance, which needs no memory of who runs where.
    first = zlib.crc32(execution_id.encode()) % len(ours)
    return tuple(sorted((ours + ours)[first : first + count]))


async def keep_limits(keeper: "Keeper") -> None:
    """Note the limits that the hub set, for the next daemon, and bring them into force."""
    try:
        await asyncio.to_thread(_store, keeper)
    except OSError as error:
        # They are in force without it, and the hub says them again after each resume.
        log.warning("%s: its new limits are not noted: %s", keeper.execution_id, error)
    await tell_limits(keeper)


def needs_telling(keeper: "Keeper") -> bool:
    """Whether the shim that was just reached must be told limits: changed ones, and after a start of the daemon all.

    A unit that ends takes the controllers from its groups, and their limits with them (packaging.md §4).
    """
    order = keeper.order
    return order.limits is not None or (bool(order.kept) and keeper.house.is_adopting)


async def tell_limits(keeper: "Keeper") -> None:
    """Bring the limits that count now into force: kernel first, then its shim. Again is harmless.

    A shim that is not reached now is told when it is; a lost change is said again by the hub at the next resume.
    """
    limits, client = keeper.order.limits_now, keeper.client
    if limits is None or client is None or keeper.value.phase is not Phase.STARTED:
        return
    live = await asyncio.to_thread(_live_limits, keeper, limits)
    try:
        await client.set_limits(live)
    except (ShimGone, TimeoutError):
        log.info("%s: its shim was not told its new limits yet", keeper.execution_id)
    except ShimRefused as error:
        log.error("%s: its shim refuses its new limits: %s", keeper.execution_id, error)  # noqa: TRY400


def _store(keeper: "Keeper") -> None:
    # Before the hand-over the order is written with its nonce, and with this.
    if keeper.value.phase is Phase.STARTED:
        write_order(keeper.folder, keeper.order, keeper.house.disk)


def _live_limits(keeper: "Keeper", limits: Limits) -> LiveLimits:
    order = keeper.order
    kill = Path(order.cgroup) if order.cgroup else None
    group = Group(kill=kill, limits={name: Path(folder) for name, folder in order.groups.items()})
    # What is in force is not known for certain after a crash: all of it is written.
    everything: Wanted = dict.fromkeys(group.limits, -1.0)
    kept = hold(group, _wanted(limits), everything)
    cpus = cpus_of(limits, kept, keeper.execution_id)
    if not cpus and limits.cpu_cores is None and CPU not in group.limits and sys.platform == "linux":
        cpus = tuple(sorted(os.sched_getaffinity(0)))
    return LiveLimits(
        run_limit_s=limits.run_limit_s,
        no_progress_s=limits.no_progress_s,
        bounds=bounds_of(limits, kept),
        cpus=cpus,
    )


def _wanted(limits: Limits) -> Wanted:
    return {MEMORY: limits.memory_bytes, PIDS: limits.processes, CPU: limits.cpu_cores}
