"""The limits of an execution: as an automation asks, as an operator changes them in mid-run (core.md §4, S20)."""

from collections.abc import Mapping
from typing import Any

from agent.wire.task import Ladder, Limits
from hub.domain.parameters import Fault

LIVE = ("run_limit_s", "no_progress_s", "memory_bytes", "processes", "cpu_cores", "cpu_seconds", "disk_bytes")
"""What can be changed while a bot runs; the others are those of its start."""
BESIDE = ("run_limit_s", "lost_after_s")
"""Members that an automation keeps beside its `limits`."""
_MONTH_S = 30 * 86400
_LADDER_MAX_S = 3600
_USUAL = Limits()
_RANGES: Mapping[str, tuple[float, float]] = {
    "run_limit_s": (1, _MONTH_S),
    "no_progress_s": (1, _MONTH_S),
    "output_bytes": (1024, 2**40),
    "memory_bytes": (2**20, 2**45),
    "processes": (1, 2**22),
    "cpu_cores": (0.01, 4096),
    "cpu_seconds": (0.1, 366 * 86400),
    "disk_bytes": (4096, 2**50),
    "open_files": (16, 2**20),
    "file_bytes": (1, 2**50),
}


def merged(limits: Limits, said: Mapping[str, Any]) -> Limits:
    """The limits with the named members changed; None takes a limit away. `ladder` is a mapping and merged too."""
    changes = dict(said)
    if "ladder" in changes:
        changes["ladder"] = limits.ladder.model_copy(update=dict(changes["ladder"]))
    return limits.model_copy(update=changes)


def faults_of(limits: Limits, where: str = "") -> list[Fault]:
    """What is wrong with limits, all at once; `where` goes before the names of fields."""
    faults = []
    for name, (low, high) in _RANGES.items():
        value = getattr(limits, name)
        if value is None and name == "output_bytes":
            faults.append(
                Fault(field=where + name, message="none is not possible", remedy=f"{_plain(low)} to {_plain(high)}")
            )
        elif value is not None and not low <= value <= high:
            remedy = f"{_plain(low)} to {_plain(high)}, or null for none"
            faults.append(Fault(field=where + name, message=f"{_plain(value)} is out of range", remedy=remedy))
    for name in Ladder.model_fields:
        value = getattr(limits.ladder, name)
        if not 0 <= value <= _LADDER_MAX_S:
            message = f"{_plain(value)} is out of range"
            faults.append(Fault(field=f"{where}ladder.{name}", message=message, remedy=f"0 to {_LADDER_MAX_S}"))
    return faults


def _plain(value: float) -> str:
    """A number as it was typed, however large."""
    return str(int(value)) if value == int(value) else f"{value:g}"


def stored(limits: Limits) -> dict[str, Any] | None:
    """Limits as a row keeps them: what is not the default; None where all of it is."""
    return limits.model_dump(mode="json", exclude_defaults=True) or None


def read(row: Mapping[str, Any] | None, **beside: Any) -> Limits:
    """Limits of a row, with members that stand beside it."""
    return Limits.model_validate({**(row or {}), **beside}) if row or beside else _USUAL


def difference(old: Limits, new: Limits) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what they were, what they are) of the members that differ, for the event."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    names = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}
