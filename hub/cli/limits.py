"""Options for what a bot may use, as people write it, and the same figures as people read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from hub.domain.quantities import NONE, duration_text, read_count, read_duration, read_size, size_text

RunLimit = Annotated[str | None, typer.Option(metavar="TIME", help="How long a bot may run: 90s, 30m, 2h, or none.")]
NoProgress = Annotated[str | None, typer.Option(metavar="TIME", help="Longest silence: 10m, or none.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="Memory of all its processes: 512M, 2G, or none.")]
Processes = Annotated[str | None, typer.Option(metavar="NUMBER", help="Processes and threads: 50, or none.")]
CpuCores = Annotated[str | None, typer.Option(metavar="NUMBER", help="CPU cores that it gets at most: 1.5, or none.")]
CpuTime = Annotated[str | None, typer.Option(metavar="TIME", help="CPU time in all: 20m, or none.")]
Disk = Annotated[str | None, typer.Option(metavar="SIZE", help="What it may add to its folder: 1G, or none.")]
OpenFiles = Annotated[str | None, typer.Option(metavar="NUMBER", help="Open files of each process, or none.")]
FileSize = Annotated[str | None, typer.Option(metavar="SIZE", help="Largest file that it may write, or none.")]
OutputCap = Annotated[str | None, typer.Option(metavar="SIZE", help="Output kept on the runner until the hub has it.")]
Ladder = Annotated[
    str | None,
    typer.Option(metavar="TIMES", help="Waits from a cancel to SIGINT, to SIGTERM, to SIGKILL: 10s,10s,5s."),
]
_USUAL_RUN_S = 86400
_STEPS = ("interrupt_after_s", "terminate_after_s", "kill_after_s")


@dataclass(frozen=True, slots=True)
class Texts:
    """The options of one call, as they were written; None was not given."""

    run_limit: str | None = None
    no_progress: str | None = None
    memory: str | None = None
    processes: str | None = None
    cpu_cores: str | None = None
    cpu_time: str | None = None
    disk: str | None = None
    open_files: str | None = None
    file_size: str | None = None
    output_cap: str | None = None
    ladder: str | None = None

    def said(self) -> dict[str, Any]:
        """The members that were given, as the API has them. Raises BadParameter that names the option."""
        found: dict[str, Any] = {}
        for name, (member, read) in _READERS.items():
            text = getattr(self, name)
            if text is not None:
                found[member] = _read(name, text, read)
        if self.ladder is not None:
            found["ladder"] = _read("ladder", self.ladder, _ladder)
        return found


def of_automation(texts: Texts) -> dict[str, Any]:
    """The same for an automation, which has its run limit beside the others."""
    limits = texts.said()
    beside = {"run_limit_s": limits.pop("run_limit_s")} if "run_limit_s" in limits else {}
    return {**beside, "limits": limits} if limits else beside


def line(limits: Mapping[str, Any] | None, *, run_limit_s: float | None) -> str | None:
    """What is limited beside the usual, in one line; None where nothing is."""
    parts = [] if run_limit_s == _USUAL_RUN_S else [f"run {duration_text(run_limit_s)}"]
    for member, (name, text) in _SHOWN.items():
        value = (limits or {}).get(member)
        if value is not None:
            parts.append(f"{name} {text(value)}")
    return ", ".join(parts) or None


def of_task(task: Mapping[str, Any]) -> str | None:
    """The same for the newest attempt of a task; None before it has one."""
    kept = task["limits"]
    return line(kept, run_limit_s=kept["run_limit_s"]) if kept else None


def _ladder(text: str) -> dict[str, float]:
    times = [read_duration(part) for part in text.split(",")]
    if len(times) != len(_STEPS) or None in times:
        raise ValueError(f"{text!r} is no ladder: give three times, as in 10s,10s,5s")
    return {name: seconds for name, seconds in zip(_STEPS, times, strict=True) if seconds is not None}


def _whole(text: str) -> int | None:
    found = read_count(text)
    if found is not None and found % 1:
        raise ValueError(f"{text!r} is no whole number: say 50, or {NONE}")
    return None if found is None else int(found)


def _run_limit(text: str) -> float | None:
    found = read_duration(text)
    # The API has whole seconds for automations.
    return found if found is None or found % 1 else int(found)


def _read(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--" + name.replace("_", "-")) from None


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "run_limit": ("run_limit_s", _run_limit),
    "no_progress": ("no_progress_s", read_duration),
    "memory": ("memory_bytes", read_size),
    "processes": ("processes", _whole),
    "cpu_cores": ("cpu_cores", read_count),
    "cpu_time": ("cpu_seconds", read_duration),
    "disk": ("disk_bytes", read_size),
    "open_files": ("open_files", _whole),
    "file_size": ("file_bytes", read_size),
    "output_cap": ("output_bytes", read_size),
}
_SHOWN: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "no_progress_s": ("silence", duration_text),
    "memory_bytes": ("memory", size_text),
    "processes": ("processes", str),
    "cpu_cores": ("cores", "{:g}".format),
    "cpu_seconds": ("CPU time", duration_text),
    "disk_bytes": ("disk", size_text),
    "open_files": ("open files", str),
    "file_bytes": ("file size", size_text),
}
