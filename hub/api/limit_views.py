"""Limits as clients send and see them."""

import functools
from typing import Any

from pydantic import Field

from agent.wire.task import Limits as Kept
from hub.api.call import Strict, View
from hub.domain.limits import BESIDE

_GONE = "null: no limit."


class Ladder(Strict):
    """Seconds between the steps that end a bot."""

    interrupt_after_s: float = Field(default=10, description="From a cancel to SIGINT; a kill or a timeout is at once.")
    terminate_after_s: float = Field(default=10, description="From SIGINT to SIGTERM.")
    kill_after_s: float = Field(default=5, description="From SIGTERM to SIGKILL of the whole tree.")
    survivors_after_s: float = Field(default=10, description="Until what could not be killed is reported.")


class Live(Strict):
    """What can be changed while a bot runs; absent members stay as they are."""

    no_progress_s: float | None = Field(default=None, description=f"Longest silence. {_GONE}")
    memory_bytes: int | None = Field(default=None, description=f"Of the whole tree. {_GONE}")
    processes: int | None = Field(default=None, description=f"Processes and threads. {_GONE}")
    cpu_cores: float | None = Field(default=None, description=f"More is not given. {_GONE}")
    cpu_seconds: float | None = Field(default=None, description=f"Of the whole tree. {_GONE}")
    disk_bytes: int | None = Field(default=None, description=f"What it adds below its folder. {_GONE}")


class Limits(Live):
    """What a bot may use; absent members stay as they are, or are as the defaults."""

    open_files: int | None = Field(default=None, description=f"Of each process. {_GONE}")
    file_bytes: int | None = Field(default=None, description=f"Of each file. {_GONE}")
    output_bytes: int = Field(
        default=1024**3, description="Output that the hub does not hold yet; above it, it is dropped and counted."
    )
    ladder: Ladder = Field(default=Ladder())


class TaskLimits(Live):
    """New limits of a bot that runs."""

    run_limit_s: float | None = Field(default=None, description=f"Counted from its start. {_GONE}")


class LadderView(View):
    """Seconds between the steps that end a bot."""

    interrupt_after_s: float
    terminate_after_s: float
    kill_after_s: float
    survivors_after_s: float


class LimitsView(View):
    """What a bot may use; null is no limit."""

    no_progress_s: float | None
    memory_bytes: int | None
    processes: int | None
    cpu_cores: float | None
    cpu_seconds: float | None
    disk_bytes: int | None
    open_files: int | None
    file_bytes: int | None
    output_bytes: int
    ladder: LadderView


class TaskLimitsView(LimitsView):
    """What the newest attempt of a task may use, changes of it while it runs included."""

    run_limit_s: float | None


def said(body: Strict) -> dict[str, Any]:
    """The members that were sent, `null` too."""
    found: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if isinstance(found.get("ladder"), Ladder):
        found["ladder"] = said(found["ladder"])
    return found


def limits_view(kept: Kept) -> LimitsView:
    """Limits as clients see them."""
    return LimitsView.model_validate(kept.model_dump(exclude=set(BESIDE)))


@functools.lru_cache(maxsize=256)
def task_limits_view(kept: Kept) -> TaskLimitsView:
    """Limits of an attempt as clients see them; most tasks have the usual ones, and a page shows many."""
    return TaskLimitsView.model_validate(kept.model_dump(exclude={"lost_after_s"}))
