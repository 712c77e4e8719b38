"""The last fact of an execution: what its whole output is (`core.md` §3), and what a bot's folder says of its end."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.artifacts import is_any_left
from agent.cgroups.groups import Group, remove_group
from agent.daemon.screening import are_due
from agent.inventory import final_fact
from agent.output import Follower
from agent.shim.exit_file import ExitFileError, ExitRecord, read_exit
from agent.wire.facts import FinalFact, ReportFact
from agent.wire.words import GapReason

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
SPOILED = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What a bot of our own user can make of our files. Any other error of the disk is one."""


def last_fact_at_once(
    keeper: "Keeper", record: ExitRecord | None, report: ReportFact | None = None
) -> FinalFact | None:
    """The last fact of a bot that left no file and nothing running: the common end, in one step. Blocks.

    `report` was found at its end, and is no fact yet.
    """
    is_clean = record is not None and record.final and not record.survivors
    if not is_clean or keeper.artifacts.turn.locked() or is_any_left(keeper) or are_due(keeper, record, report):
        return None
    return last_fact(keeper, record, ())


def last_fact(keeper: "Keeper", record: ExitRecord | None, left_out: Sequence[str]) -> FinalFact:
    """Work it out, and take the bot's control groups away: nothing of it runs any more. Blocks."""
    length, is_torn = _end_of_output(keeper, record)
    order = keeper.order
    if order.cgroup or order.groups:
        kill = Path(order.cgroup) if order.cgroup else None
        remove_group(Group(kill=kill, limits={name: Path(folder) for name, folder in order.groups.items()}))
    reason = GapReason.TAIL_UNKNOWN if is_torn else GapReason.DELETED
    return final_fact(record, length, left_out, keeper.house.clock.now(), reason)


def exit_record(keeper: "Keeper") -> ExitRecord | None:
    """The exit file in the folder; None where there is none that can be read. Blocks."""
    try:
        return read_exit(keeper.folder, keeper.house.disk)
    except (ExitFileError, *SPOILED) as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        return None


def _end_of_output(keeper: "Keeper", record: ExitRecord | None) -> tuple[int, bool]:
    """How far the segments can be read, and whether a part of a frame stands behind it."""
    if record is None or not record.final:
        # Its shim did not come to that; what is told of the end must hold though the power goes on the next line.
        keeper.output.sync()
    end = keeper.output.end()
    if record is None or end.offset >= record.output_bytes:
        return end.offset, end.is_torn
    # Damage in the last segment: what lies behind it may be read all the same.
    follower = Follower(keeper.folder / "output", keeper.house.disk)
    try:
        is_more = follower.read(end.offset, 1, is_writer_alive=False).next_offset > end.offset
    except OSError:
        is_more = False
    finally:
        follower.close()
    return record.output_bytes if is_more else end.offset, end.is_torn
