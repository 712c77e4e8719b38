"""Where things lie below the home, and what the daemon itself writes into an execution's folder.

    executions/exe_…/
      order.json    the daemon's: task, fence, slot, boot, digest of the token; before any shim has the order
      verdict, stop, output/, socket, exit      the shim's (`agent/shim/__init__.py`)
      work/ tmp/ artifacts/ result …            the bot's (`agent/builds`)

A folder without `order.json` was never handed to a shim: the daemon that finds one removes it.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from agent.checked import DamagedError, seal, unseal
from agent.ports.files import Disk
from agent.wire.ids import WireExecutionId, WireTaskId
from agent.wire.task import Limits, WireModel, Work

ORDER_NAME = "order.json"


class StoredOrder(WireModel):
    """What a daemon of any later start must know of an execution. Version: unknown fields are ignored, none is dropped.

    ``work`` and ``slot`` are None for an order that was never seen here and only voided.
    """

    execution_id: WireExecutionId
    task_id: WireTaskId
    fence: int
    boot_id: str
    slot: int | None = None
    nonce: str = ""
    """Opens the shim's socket, and tells who won the verdict."""
    token_sha256: str = ""
    work: Work | None = None
    artifacts: tuple[str, ...] = ()
    result: str | None = None
    cgroup: str | None = None
    groups: dict[str, str] = Field(default_factory=dict)
    """Folders of the control groups that limit it, by controller."""
    kept: tuple[str, ...] = ()
    """Controllers whose limit the kernel kept when it was handed over."""
    output_cap_bytes: int | None = None
    """What its shim keeps its output below; None in a folder of a release that did not note it."""
    limits: Limits | None = None
    """Bounds that the hub set while it ran; None while those of `work` stand."""

    @property
    def limits_now(self) -> Limits | None:
        """The bounds that count; None for an order that was never seen here."""
        return self.limits or (self.work.limits if self.work else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of one home."""

    home: Path

    @property
    def executions(self) -> Path:
        """One folder for each execution."""
        return self.home / "executions"

    @property
    def spool(self) -> Path:
        """The file of facts."""
        return self.home / "spool.db"

    @property
    def uploads(self) -> Path:
        """Bodies of the gateway that are too large for memory."""
        return self.home / "uploads"

    @property
    def control(self) -> Path:
        """Where `botyard-agent status`, `drain` and `stop` reach the daemon."""
        return self.home / "control"

    @property
    def gateway_port(self) -> Path:
        """The port that bots of earlier daemons know, where no shim can keep its socket (Windows)."""
        return self.home / "gateway-port"

    def execution(self, execution_id: str) -> Path:
        """The folder of one execution."""
        return self.executions / execution_id


def write_order(folder: Path, order: StoredOrder, disk: Disk) -> None:
    """Make the order durable; before this no shim may have it."""
    disk.write_durable(folder / ORDER_NAME, seal(order.model_dump_json().encode()))


def read_order(folder: Path, disk: Disk) -> StoredOrder | None:
    """The order of a folder, or None when there is none that can be read; a verdict may stand there all the same."""
    try:
        data = disk.read(folder / ORDER_NAME)
    except (IsADirectoryError, NotADirectoryError, PermissionError):
        return None  # a bot of our own user can put anything there
    if data is None:
        return None
    try:
        return StoredOrder.model_validate_json(unseal(data))
    except (DamagedError, ValidationError):
        return None


def execution_folders(folders: Folders, disk: Disk) -> list[Path]:
    """Folders that may be executions', oldest id first."""
    names = sorted(name for name in disk.names(folders.executions) if name.startswith("exe_"))
    return [folders.execution(name) for name in names]
