"""Builds that need no preparing (`agent.builds_port.Builds`); a launch makes the work folder and says what to exec."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.builds_port import LaunchPlan, LaunchRequest
from agent.ports.files import Disk
from agent.process import EXECUTION_VARIABLE
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference
from agent.wire.words import Kind, PreparationState
from tests.simulation.work import build_of


class SimBuilds:
    """See the port."""

    def __init__(self, home: Path, disk: Disk, tell: Callable[[Preparation], None]) -> None:
        self._home = home
        self._disk = disk
        self._tell = tell
        self._prepared = [build_of(Kind.BOTCITY), build_of(Kind.PYTHON)]

    async def run(self) -> None:
        """See the port."""
        await asyncio.Event().wait()

    def want(self, builds: Sequence[BuildReference]) -> None:
        """See the port."""
        for one in builds:
            if one.build_id not in self._prepared:
                self._prepared.append(one.build_id)
            self._tell(Preparation(build_id=one.build_id, state=PreparationState.PREPARED, progress=1.0))

    def prepared(self) -> Sequence[str]:
        """See the port."""
        return list(self._prepared)

    async def make_slot_ready(self, slot: int) -> None:
        """See the port; on a full disk there is no room for a work folder."""
        self._disk.make_folder(self._home / "slots" / str(slot))

    def launch(self, request: LaunchRequest) -> LaunchPlan:
        """See the port."""
        self._disk.make_folder(request.folder / "work")
        env = {
            EXECUTION_VARIABLE: request.execution_id,
            "BOTYARD_TASK_ID": request.task_id,
            "BOTYARD_TOKEN": request.token,
        }
        return LaunchPlan(argv=("bot",), env=env, cwd=request.folder / "work")

    def adopted(self, execution_id: str, build_id: str) -> None:
        """See the port."""

    def ended(self, execution_id: str) -> None:
        """See the port."""

    def discard(self, execution_id: str) -> None:
        """See the port."""
