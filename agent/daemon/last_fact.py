"""The last fact of an execution: what its whole output is (`core.md` §3), and what a bot's folder says of its end."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.artifacts import is_any_left
from agent.cgroups.groups import Group, remove_group
from agent.inventory import final_fact
from agent.output import Follower
from agent.shim.exit_file import ExitFileError, ExitRecord, read_exit
from agent.wire.facts import FinalFact

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
SPOILED = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What a bot of our own user can make of our files. Any other error of the disk is one."""


def last_fact_at_once(keeper: "Keeper", record: ExitRecord | None) -> FinalFact | None:
    """The last fact of a bot that left no file and nothing running: the common end, in one step. Blocks."""
    is_clean = record is not None and record.final and not record.survivors
    if not is_clean or keeper.artifacts.turn.locked() or is_any_left(keeper):
        return None
    return last_fact(keeper, record, ())


def last_fact(keeper: "Keeper", record: ExitRecord | None, left_out: Sequence[str]) -> FinalFact:
    """Work it out, and take the bot's control groups away: nothing of it runs any more. Blocks."""
    length = _end_of_output(keeper, record)
    order = keeper.order
    if order.cgroup or order.groups:
        kill = Path(order.cgroup) if order.cgroup else None
        remove_group(Group(kill=kill, limits={name: Path(folder) for name, folder in order.groups.items()}))
    return final_fact(record, length, left_out, keeper.house.clock.now())


def exit_record(keeper: "Keeper") -> ExitRecord | None:
    """The exit file in the folder; None where there is none that can be read. Blocks."""
    try:
        return read_exit(keeper.folder, keeper.house.disk)
    except (ExitFileError, *SPOILED) as error:
        log.error("%s: %s", keeper.execution_id, error)  # noqa: TRY400
        return None


def _end_of_output(keeper: "Keeper", record: ExitRecord | None) -> int:
    """How far the segments can be read."""
    length = keeper.output.length()
    if record is None or length >= record.output_bytes:
        return length
    # Damage in the last segment: what lies behind it may be read all the same.
    follower = Follower(keeper.folder / "output")
    try:
        is_more = follower.read(length, 1, is_writer_alive=False).next_offset > length
    except OSError:
        is_more = False
    finally:
        follower.close()
    return record.output_bytes if is_more else length
