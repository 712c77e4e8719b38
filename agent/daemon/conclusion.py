"""The end of an execution here: an exit that nobody saw, artifacts, the final fact."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from agent.daemon.last_fact import SPOILED, exit_record, last_fact
from agent.daemon.last_words import tell_last_words, tell_stop
from agent.daemon.screening import give_pictures
from agent.execution_events import Concluded, Exited
from agent.inventory import lost_exit
from agent.output_copies import copies_folder, copy_output
from agent.shim.verdict import Verdict, VerdictError

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)


async def find_exit(keeper: "Keeper") -> None:
    """The shim is gone without a finished exit file: end what is left of the tree, then say what is known."""
    rebooted = keeper.order.boot_id != keeper.house.boot_id
    survivors = [] if rebooted else await asyncio.to_thread(_end_leftovers, keeper)
    record = await asyncio.to_thread(exit_record, keeper)
    # Its last frames may stand there without a ring: what nobody knows of is never sent, and the hub waits for it.
    keeper.house.upstream.output_available(keeper.execution_id, await asyncio.to_thread(keeper.output.length))
    tell_stop(keeper, record)
    await tell_last_words(keeper, record)
    exit_ = lost_exit(record, rebooted=rebooted, survivors=survivors, at=keeper.house.clock.now())
    log.warning("%s: its shim is gone: %s", keeper.execution_id, exit_.how)
    keeper.post(Exited(exit=exit_))


async def conclude(keeper: "Keeper") -> None:
    """Bring the artifacts to the hub, however long that takes, then make the final fact."""
    copies = copies_folder(keeper.folder, keeper.order.work)
    if copies is not None:
        await asyncio.to_thread(copy_output, keeper.folder, copies)
    left_out = await give_pictures(keeper, await asyncio.to_thread(exit_record, keeper))
    left_out += await keeper.house.collector.collect(keeper)
    final = await asyncio.to_thread(lambda: last_fact(keeper, exit_record(keeper), left_out))
    keeper.post(Concluded(final=final))


def _end_leftovers(keeper: "Keeper") -> list[tuple[int, str]]:
    shims = keeper.house.shims
    if keeper.order.cgroup:
        shims.kill_group(Path(keeper.order.cgroup))
    verdict = read_verdict(keeper)
    left = shims.kill_leftovers(keeper.execution_id, verdict.boot_ns if verdict else 0)
    return [(pid, shims.command_of(pid)) for pid in left]


def read_verdict(keeper: "Keeper") -> Verdict | None:
    """The verdict in the folder; None where it was removed or spoiled, which a bot of our own user can do. Blocks."""
    try:
        return keeper.house.verdicts.read(keeper.folder)
    except (VerdictError, *SPOILED) as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        return None
