"""The one table of what is measured: name, unit, aim, and what it means."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row; ``aim`` is an upper bound unless ``more`` is better."""

    name: str
    unit: str
    about: str
    aim: float | None = None
    more: bool = False


FIGURES = (
    Figure(name="fork_exec_ms", unit="ms", about="the machine: fork and exec of /bin/true"),
    Figure(name="fdatasync_ms", unit="ms", about="the machine: append 4 KiB and fdatasync"),
    Figure(name="websocket_ms", unit="ms", about="the machine: a small message and its answer, two processes"),
    Figure(name="python_start_ms", unit="ms", about="the machine: a bot's Python starts, prints and ends"),
    Figure(name="print_alone_per_s", unit="1/s", about="the machine: unbuffered print into a pipe", more=True),
    Figure(name="dispatch_p50_ms", unit="ms", about="submit to the bot's first act (shell bot)", aim=6),
    Figure(name="dispatch_p90_ms", unit="ms", about="the same, 90th percentile"),
    Figure(name="dispatch_p99_ms", unit="ms", about="the same, 99th percentile", aim=15),
    Figure(name="final_p50_ms", unit="ms", about="submit to final status known to a follower", aim=10),
    Figure(name="executions_per_s", unit="1/s", about="one runner, 4 slots", aim=200, more=True),
    Figure(name="live_p50_ms", unit="ms", about="a bot's print to its subscriber", aim=30),
    Figure(name="live_p99_ms", unit="ms", about="the same, 99th percentile", aim=100),
    Figure(name="lines_per_s", unit="1/s", about="short lines in 64 KiB blocks, until settled", aim=600_000, more=True),
    Figure(name="lines_hub_cpu_s", unit="s", about="CPU of the hub for a million of them"),
    Figure(name="lines_runner_cpu_s", unit="s", about="CPU of daemon and shim for a million of them"),
    Figure(name="print_lines_per_s", unit="1/s", about="lines by unbuffered print, until settled", more=True),
    Figure(name="print_share", unit="", about="of what print alone can do", aim=0.9, more=True),
    Figure(name="trigger_late_p50_ms", unit="ms", about="10,000 triggers, once a minute each: how late they fire"),
    Figure(name="trigger_late_p99_ms", unit="ms", about="the same, 99th percentile", aim=1000),
    Figure(name="trigger_herd_per_s", unit="1/s", about="triggers due in one second: fired", more=True),
    Figure(name="items_import_s", unit="s", about="100,000 items from a file, until they are visible", aim=15),
    Figure(name="items_import_hub_us", unit="us", about="CPU of the hub for each of them"),
    Figure(name="items_one_per_s", unit="1/s", about="items taken and completed, 8 consumers", aim=1000, more=True),
    Figure(name="items_one_hub_us", unit="us", about="CPU of the hub for each of them"),
    Figure(name="items_batch_per_s", unit="1/s", about="the same, 100 a call", aim=5000, more=True),
    Figure(name="items_batch_hub_us", unit="us", about="CPU of the hub for each of them"),
    Figure(name="masking_mb_per_s", unit="MB/s", about="30 secrets in all their forms, one core", aim=100, more=True),
    Figure(name="placed_1000_s", unit="s", about="1,000 waiting tasks on 1,000 free runners, until all stand", aim=1),
    Figure(name="why_p50_ms", unit="ms", about="why a task waits, among as many", aim=100),
    Figure(name="why_max_ms", unit="ms", about="the same, the slowest", aim=100),
    Figure(name="hub_start_s", unit="s", about="hub: process start to ready", aim=1.5),
    Figure(name="daemon_start_s", unit="s", about="daemon: process start to linked", aim=1.5),
    Figure(name="desktop_ready_ms", unit="ms", about="a virtual desktop: exec to an answer to its cookie", aim=500),
    Figure(name="live_view_share", unit="", about="of a core, for watching a still desktop of 1280x720", aim=0.05),
    Figure(name="zygote_fork_ms", unit="ms", about="the next idle shim"),
    Figure(name="hub_rss_mb", unit="MB", about="hub after all of it", aim=110),
    Figure(name="daemon_rss_mb", unit="MB", about="daemon before its first bot", aim=60),
    Figure(name="agent_rss_mb", unit="MB", about="daemon after all of it", aim=75),
    Figure(name="zygote_rss_mb", unit="MB", about="zygote"),
    Figure(name="shim_private_mb", unit="MB", about="an idle shim, of its own"),
    Figure(name="idle_cpu_s", unit="s", about="CPU of all our processes over 30 idle seconds", aim=0.3),
    Figure(name="kb_per_connection", unit="KB", about="memory of the hub for each linked runner", aim=25),
    Figure(name="kb_per_connection_tls", unit="KB", about="the same over TLS", aim=60),
)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def table(measured: dict[str, float]) -> str:
    """A table for people: figure, value, aim, and whether it is reached."""
    rows = []
    for figure in FIGURES:
        value = measured.get(figure.name)
        if value is None:
            continue
        aim = "" if figure.aim is None else f"{'>=' if figure.more else '<='} {figure.aim:g}"
        reached = figure.aim is None or (value >= figure.aim if figure.more else value <= figure.aim)
        rows.append(
            f"{figure.name:<21} {value:>11.2f} {figure.unit:<4} {aim:>9} {' ' if reached else '!'} {figure.about}"
        )
    return "\n".join(rows)
