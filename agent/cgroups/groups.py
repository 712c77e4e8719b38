"""The groups of one execution: made, limited, killed, removed."""

import logging
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from agent.cgroups import v1, v2
from agent.cgroups.choice import Hierarchies, chosen

log = logging.getLogger(__name__)
_PREFIX = "botyard-"
_LEFTOVER_AFTER_S = 60.0

Wanted = Mapping[str, float | None]
"""By controller: bytes of memory, number of processes and threads, CPU cores; None or absent is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`kill` is where the tree is ended, None where there are no groups; `limits` is where each controller is kept."""

    kill: Path | None = None
    limits: Mapping[str, Path] = field(default_factory=dict)

    @property
    def to_enter(self) -> tuple[Path, ...]:
        """Folders that the bot's child must enter beside the one that it is ended in."""
        return tuple(dict.fromkeys(path for path in self.limits.values() if path != self.kill))


def make_group(execution_id: str, wanted: Wanted, hierarchies: Hierarchies | None = None) -> Group:
    """Make the groups of an execution: the one to end it in, and those that its limits need. Never raises."""
    found = hierarchies or chosen()
    name = f"{_PREFIX}{execution_id}"
    kill = None if found.kill is None else _make(found.kill / name)
    kept = {}
    for controller, base in found.limits.items():
        # One that costs nothing is kept without a limit too, so that one can be set later.
        folder = kill if base == found.kill else None
        if folder is None and wanted.get(controller) is not None:
            folder = _make(base / name)
        if folder is not None:
            kept[controller] = folder
    return Group(kill=kill, limits=kept)


def hold(group: Group, wanted: Wanted, before: Wanted) -> frozenset[str]:
    """Write what differs from `before`; return the controllers whose limit the kernel keeps from here on.

    What could not be written is somebody else's to watch; it is logged.
    """
    held = set()
    for controller, folder in group.limits.items():
        value = wanted.get(controller)
        is_kept = value == before.get(controller) or _write(folder, controller, value)
        if is_kept and value is not None:
            held.add(controller)
    return frozenset(held)


def open_procs(group: Path) -> int:
    """Open `cgroup.procs` for writing; who writes "0" enters the group. The caller closes it."""
    return os.open(group / "cgroup.procs", os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))


def remove_group(group: Group) -> None:
    """Remove what is empty of an execution's groups; what is not is left."""
    for folder in {*group.limits.values(), *([group.kill] if group.kill else [])}:
        remove_cgroup(folder)


def remove_groups_of(execution_id: str, hierarchies: Hierarchies | None = None) -> None:
    """Remove what is empty of the groups of an execution, of which no more is known than its id."""
    found = hierarchies or chosen()
    for base in {*found.limits.values(), *([found.kill] if found.kill else [])}:
        remove_cgroup(base / f"{_PREFIX}{execution_id}")


def remove_leftovers(known: Collection[str], now: datetime, hierarchies: Hierarchies | None = None) -> int:
    """Remove empty groups of executions that are not `known`, as a crash leaves them; return how many.

    A fresh one is left: another runner of this machine may have made it for a bot that has not entered it yet.
    """
    found = hierarchies or chosen()
    bases = {*found.limits.values(), *([found.kill] if found.kill else [])}
    names = {f"{_PREFIX}{execution_id}" for execution_id in known}
    removed = 0
    for folder in (each for base in bases for each in base.glob(f"{_PREFIX}*") if each.name not in names):
        with suppress(OSError):
            is_old = now.timestamp() - folder.stat().st_mtime > _LEFTOVER_AFTER_S
            removed += is_old and remove_cgroup(folder)
    return removed


def remove_cgroup(group: Path) -> bool:
    """Remove an empty group; False while it has members."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _make(folder: Path) -> Path | None:
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        # A group that nobody can enter is worse than none.
        if os.access(folder / "cgroup.procs", os.W_OK):
            return folder
        remove_cgroup(folder)
    return None


def _write(folder: Path, controller: str, value: float | None) -> bool:
    version = v2 if (folder / "cgroup.controllers").exists() else v1
    for name, text, is_needed in version.limit_files(controller, value):
        try:
            # Never made where it is not: outside of a real group that would be a plain file that limits nothing.
            fd = os.open(folder / name, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            if is_needed:
                log.warning("%s cannot be limited by %s: %s", controller, folder / name, error.strerror)
                return False
            continue
        try:
            os.write(fd, text.encode())
        except OSError as error:
            if is_needed:
                log.warning("%s cannot be limited to %s by %s: %s", controller, text, folder / name, error.strerror)
                return False
        finally:
            os.close(fd)
    return True
