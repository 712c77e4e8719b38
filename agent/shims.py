"""`agent/shims_port.py` on this machine."""

from pathlib import Path

from agent import process
from agent.cgroups.choice import Hierarchies, chosen
from agent.cgroups.killing import kill_cgroup
from agent.shim.client import ShimClient
from agent.shims_port import Zygote
from agent.zygote import Zygote as SystemZygote


class SystemShims:
    """The processes of this machine."""

    @property
    def hierarchies(self) -> Hierarchies:
        """The control groups that this runner may use."""
        return chosen()

    async def start_zygote(self, spares: int) -> Zygote:
        """Start a zygote; each slot takes its own idle shim, so none is wanted beside them. Raises OSError."""
        return await SystemZygote.start(slots=0, spares=spares)

    async def connect(self, folder: Path, nonce: str) -> ShimClient:
        """Connect to the shim of an execution's folder. Raises ShimGone, TimeoutError."""
        return await ShimClient.connect(folder, nonce)

    def same_process(self, pid: int, start: str) -> bool:
        """Whether `pid` still is the process that was noted with `start`."""
        return process.same_process(pid, start)

    def kill_tree(self, pid: int) -> None:
        """SIGKILL for everything below it, then for itself. Blocks."""
        process.kill_tree(pid)

    def kill_group(self, group: Path) -> None:
        """SIGKILL for everything in a control group. Blocks."""
        kill_cgroup(group)

    def kill_leftovers(self, execution_id: str, started_after_boot_ns: int) -> list[int]:
        """Kill what runs with the execution's variable and began after its verdict; return who is left. Blocks."""
        return process.kill_leftovers(execution_id, started_after_boot_ns)

    def find_leftovers(self, execution_id: str) -> list[int]:
        """What runs with the execution's variable. Blocks."""
        return process.find_by_execution_id(execution_id)

    def command_of(self, pid: int) -> str:
        """A command line for people; empty when it cannot be read."""
        return process.command_of(pid)
