"""The end of an execution here: an exit that nobody saw, artifacts, the final fact."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cgroups.groups import Group, remove_group
from agent.cgroups.killing import kill_cgroup
from agent.daemon.last_words import tell_last_words
from agent.execution_events import Concluded, Exited
from agent.folders import StoredOrder
from agent.inventory import final_fact, lost_exit
from agent.output import Follower
from agent.process import command_of, kill_leftovers
from agent.shim.exit_file import ExitFileError, ExitRecord, read_exit
from agent.shim.verdict import Verdict, VerdictError

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
_SPOILED = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What a bot of our own user can make of our files. Any other error of the disk is one."""


async def find_exit(keeper: "Keeper") -> None:
    """The shim is gone without a finished exit file: end what is left of the tree, then say what is known."""
    rebooted = keeper.order.boot_id != keeper.house.boot_id
    survivors = [] if rebooted else await asyncio.to_thread(_end_leftovers, keeper)
    record = await asyncio.to_thread(exit_record, keeper)
    await tell_last_words(keeper, record)
    exit_ = lost_exit(record, rebooted=rebooted, survivors=survivors, at=keeper.house.clock.now())
    log.warning("%s: its shim is gone: %s", keeper.execution_id, exit_.how)
    keeper.post(Exited(exit=exit_))


async def conclude(keeper: "Keeper") -> None:
    """Bring the artifacts to the hub, however long that takes, then make the final fact."""
    left_out = await keeper.house.collector.collect(keeper)
    record, length = await asyncio.to_thread(_end_of_output, keeper)
    order = keeper.order
    if order.cgroup or order.groups:
        await asyncio.to_thread(remove_group, _group_of(order))
    keeper.post(Concluded(final=final_fact(record, length, left_out, keeper.house.clock.now())))


def _group_of(order: StoredOrder) -> Group:
    kill = Path(order.cgroup) if order.cgroup else None
    return Group(kill=kill, limits={name: Path(folder) for name, folder in order.groups.items()})


def _end_leftovers(keeper: "Keeper") -> list[tuple[int, str]]:
    if keeper.order.cgroup:
        kill_cgroup(Path(keeper.order.cgroup))
    verdict = read_verdict(keeper)
    left = kill_leftovers(keeper.execution_id, verdict.boot_ns if verdict else 0)
    return [(pid, command_of(pid)) for pid in left]


def _end_of_output(keeper: "Keeper") -> tuple[ExitRecord | None, int]:
    """What the shim says of the end, and how far its segments can be read. Blocks."""
    record, length = exit_record(keeper), keeper.output.length()
    if record is None or length >= record.output_bytes:
        return record, length
    # Damage in the last segment: what lies behind it may be read all the same.
    follower = Follower(keeper.folder / "output")
    try:
        is_more = follower.read(length, 1, is_writer_alive=False).next_offset > length
    except OSError:
        is_more = False
    finally:
        follower.close()
    return record, record.output_bytes if is_more else length


def read_verdict(keeper: "Keeper") -> Verdict | None:
    """The verdict in the folder; None where it was removed or spoiled, which a bot of our own user can do. Blocks."""
    try:
        return keeper.house.verdicts.read(keeper.folder)
    except (VerdictError, *_SPOILED) as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        return None


def exit_record(keeper: "Keeper") -> ExitRecord | None:
    """The exit file in the folder; None where there is none that can be read. Blocks."""
    try:
        return read_exit(keeper.folder, keeper.house.disk)
    except (ExitFileError, *_SPOILED) as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        return None
