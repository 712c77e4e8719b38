"""What the daemon says of itself to `botyard-agent status` and to the doctor."""

import asyncio
import os
import platform
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from agent.daemon.control import Answer
from agent.daemon.house import House
from agent.daemon.output_room import waiting_bytes
from agent.daemon.uplink import Uplink
from agent.desktops import look_at_desktop
from agent.ports.files import Disk

_SPOOL_PARTS = ("", "-wal", "-shm")


async def brief(house: House, uplink: Uplink) -> Answer:
    """Whether it is linked, its slots, its executions."""
    return {
        "runner": house.membership.name,
        "workspace": house.membership.workspace,
        "hub": house.membership.hub_url,
        "linked": uplink.forward() is not None,
        "problem": uplink.last_problem,
        "slots": house.slots.count,
        "free": len(house.slots.free()),
        "unfit": list(house.readiness().unfit),
        "prepared": len(house.builds.prepared()),
        "executions": [
            {
                "id": keeper.execution_id,
                "task": keeper.order.task_id,
                "phase": keeper.value.phase,
                "trouble": keeper.failures.trouble,
            }
            for keeper in house.keepers.values()
        ],
    }


async def whole(house: House, uplink: Uplink, began: datetime) -> Answer:
    """The same with what takes a look at the machine: since when, spool, versions, desktop.

    Times are ISO 8601 in UTC, by this machine's clock; sizes are bytes.
    """
    # As it was seen last; where no slot has one, what this very process stands in says why.
    desktop = house.fitness.own_desktop or await look_at_desktop(os.environ)
    since = uplink.linked_since
    return {
        **await brief(house, uplink),
        "running_since": began.isoformat(timespec="seconds"),
        "linked_since": since.isoformat(timespec="seconds") if since is not None else None,
        "version": uplink.way.identity.agent_version,
        "protocol": uplink.protocol,
        "python": platform.python_version(),
        "spool": {
            "facts": await house.spool.count(),
            "bytes": await asyncio.to_thread(_spool_bytes, house),
            "output_bytes": sum(map(waiting_bytes, house.keepers.values())),
        },
        "desktop": asdict(desktop),
        "condition": house.condition.model_dump(mode="json") if house.condition is not None else None,
    }


def _spool_bytes(house: House) -> int:
    spool = house.folders.spool
    return sum(_size(spool.with_name(spool.name + part), house.disk) for part in _SPOOL_PARTS)


def _size(path: Path, disk: Disk) -> int:
    try:
        opened = disk.open_regular(path)
    except OSError:
        return 0
    try:
        return opened.size
    finally:
        opened.close()
