"""What the daemon asks of the runner's builds: have them ready, give a slot its empty work folder, launch one.

`agent/builds` implements it, tests fake it. Nothing here starts a process: a `LaunchPlan` is what a shim is told to
exec.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.wire.task import BuildReference, Work


class BuildMissingError(Exception):
    """The build is not prepared here (any more): the order is void with ``build_gone`` (`core.md` D7)."""


class CannotLaunchError(Exception):
    """This machine cannot run it now: the order is void with ``unfit`` (`core.md` D7). One sentence, no secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """One execution that is about to be handed to a shim."""

    execution_id: str
    task_id: str
    """``tsk_…``, for ``BOTYARD_TASK_ID``; BotCity's argv has the task's number."""
    folder: Path
    """The execution's folder, made 0700 and synced; everything for the bot goes below it."""
    slot: int
    work: Work
    server_url: str
    """BotCity's ``server`` argument: the gateway without a path."""
    api_url: str
    """``BOTYARD_API_URL``."""
    token: str
    """The gateway's token of this execution (S11's one exception)."""
    desktop: Mapping[str, str] = field(default_factory=dict)
    """What leads the bot to its desktop; empty: it gets none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """What a shim is to exec, and where the bot leaves things. All paths are absolute."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The bot's whole environment."""
    cwd: Path
    artifacts: tuple[Path, ...] = ()
    """Folders whose files are collected at the end."""
    result: Path | None = None
    """``BOTYARD_RESULT``; read once at the end."""
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Builds(Protocol):
    """The builds of this home. Call on the daemon's event loop, but for `launch`."""

    async def run(self) -> None:
        """Fetch and prepare what is wanted; a loop of the daemon's TaskGroup, ended by cancellation."""
        ...

    def want(self, builds: Sequence[BuildReference]) -> None:
        """The whole set that should be ready here (`Desired`). Tells the state of each again, by the callback."""
        ...

    def prepared(self) -> Sequence[str]:
        """Ids of the builds that could be started now; told in ``resume_end``."""
        ...

    async def make_slot_ready(self, slot: int) -> None:
        """Make sure that an empty work folder waits for this slot's next order (`core.md` §2)."""
        ...

    def launch(self, request: LaunchRequest) -> LaunchPlan:
        """Fill the work folder of this execution and say what to exec. Blocks: call it in a thread.

        Raises BuildMissingError, CannotLaunchError. Called again for the same execution never.
        """
        ...

    def adopted(self, execution_id: str, build_id: str) -> None:
        """An earlier daemon launched this execution, and its tree may not be empty."""
        ...

    def ended(self, execution_id: str) -> None:
        """The execution's tree is empty, or it never started: what it shared with others it uses no more."""
        ...

    def discard(self, execution_id: str) -> None:
        """The execution was forgotten or never started: what was kept for it outside its folder may go."""
        ...
