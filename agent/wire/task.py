"""What a runner is told of a task: how to launch it, within which limits, and how the task looks to its bot."""

from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
)

from agent.wire.ids import Sha256Hex, WireBuildId
from agent.wire.starting import PlatformNeeds, Start
from agent.wire.words import DesktopNeed, Kind, OnDisconnect, ReportPolicy


class WireModel(BaseModel):
    """Root of everything on the wire: immutable, unknown fields ignored (P13)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


COUNT_MAX = 2**53 - 1
"""The largest number that every JSON reader and both databases hold exactly."""

Count = Annotated[int, BeforeValidator(lambda n: min(n, COUNT_MAX) if isinstance(n, int) else n), Field(ge=0)]
"""A number of items; a bot may say any, and a larger one than can be kept counts as the largest."""

BotText = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\ufffd"))]
"""Text that comes from a bot: PostgreSQL keeps no NUL, and a fact that cannot be kept would be sent for ever."""

JsonScalar = BotText | StrictBool | StrictInt | Annotated[float, Field(allow_inf_nan=False)] | None
"""What a column of a record log may hold: what JSON has, but for lists and objects."""


class Totals(WireModel):
    """Items of a bot's work: all three are known or none is."""

    total: Count
    processed: Count
    failed: Count

    @classmethod
    def reported(cls, total: int | None, processed: int | None, failed: int | None) -> "Totals | None":
        """Items as a bot said them: one that is missing is worked out, negative ones count as none.

        None where more than one is missing; never refused (`maestro.md` §3.2).
        """
        total, processed, failed = (None if n is None else max(0, n) for n in (total, processed, failed))
        if [total, processed, failed].count(None) > 1:
            return None
        if total is None:
            total = (processed or 0) + (failed or 0)
        if processed is None:
            processed = max(0, total - (failed or 0))
        if failed is None:
            failed = max(0, total - processed)
        return cls(total=total, processed=processed, failed=failed)


class Launch(WireModel):
    """How a build is started; found once, in the hub, when it is deployed (`bot-packages.md` §2).

    ``entry`` is relative to the build's root. ``args`` is a template: each element one argument, ``{name}`` a
    parameter. ``command`` replaces the kind's own command line. ``python`` is a version such as ``3.11`` or bounds
    such as ``>=3.11,<3.13``, empty where none is needed.
    """

    kind: Kind
    entry: str
    start: Start = Start.FILE
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    python: str = ""
    report: ReportPolicy = ReportPolicy.OPTIONAL
    artifacts: str = ""
    lines: bool = True
    """Whether ``::x::`` lines are more than text (`bot-packages.md` §7)."""
    install: bool = False
    """The build is itself a Python package, which is installed into its environment."""
    path: tuple[str, ...] = ()
    """Folders of the build in front of ``PATH``."""
    python_path: tuple[str, ...] = ()
    """Folders of the build that make up ``PYTHONPATH``."""
    before: tuple[str, ...] = ()
    """Command lines that run first, one after the other; the first that fails ends the run with its exit code."""
    needs: tuple[PlatformNeeds, ...] = ()
    """What differs from platform to platform; empty where nothing does."""


class BuildReference(WireModel):
    """A build that a runner should have ready."""

    build_id: WireBuildId
    digest: Sha256Hex
    bot: str
    version: str
    launch: Launch
    lock: Sha256Hex | None = None
    """Digest of the resolved, hashed requirement list; None where the bot needs no packages."""
    resolve: bool = False
    """The hub could not resolve without running a package's code: this runner does, and uploads the list."""


class Ladder(WireModel):
    """Seconds between the steps that end a bot (`core.md` §4)."""

    interrupt_after_s: float = Field(default=10.0, ge=0)
    """From a cancel to SIGINT; a kill or a timeout sends it at once."""
    terminate_after_s: float = Field(default=10.0, ge=0)
    kill_after_s: float = Field(default=5.0, ge=0)
    survivors_after_s: float = Field(default=10.0, ge=0)


class Limits(WireModel):
    """Bounds of one execution; None is no bound (`core.md` §4, `reliability.md` S20)."""

    run_limit_s: float | None = Field(default=24 * 3600.0, gt=0)
    """From the verdict on."""
    no_progress_s: float | None = Field(default=None, gt=0)
    """Since its last output, progress or call of the gateway."""
    lost_after_s: float = Field(default=600.0, gt=60)
    """The hub allows no less than 120 (G3); a shim needs as much as leaves it a deadline before the hub's (D10)."""
    output_bytes: int = Field(default=1024**3, gt=0)
    """Output that the hub does not hold yet; above it output is dropped and counted, the bot goes on."""
    memory_bytes: int | None = Field(default=None, gt=0)
    """Of the whole tree."""
    processes: int | None = Field(default=None, gt=0)
    """Processes and their threads, of the whole tree."""
    cpu_cores: float | None = Field(default=None, gt=0)
    """More is not given; it is no reason to end a bot."""
    cpu_seconds: float | None = Field(default=None, gt=0)
    """Of the whole tree, those that have ended included."""
    disk_bytes: int | None = Field(default=None, gt=0)
    """What it adds below its folder: work, artifacts, tmp."""
    open_files: int | None = Field(default=None, gt=0)
    """Of each process; the call that would open more fails."""
    file_bytes: int | None = Field(default=None, gt=0)
    """Of each file; the call that would write more fails."""
    ladder: Ladder = Ladder()


class TaskSnapshot(WireModel):
    """The task as its own bot may see it at the moment of the grant."""

    number: int = Field(ge=1)
    round: int = Field(ge=1)
    workspace: str
    """Label of the workspace, BotCity's organization."""
    automation: str
    automation_name: str
    bot: str
    parameters: dict[str, JsonValue]
    priority: int = Field(ge=0, le=10)
    test: bool = False
    state: str
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    created_by: str | None = None
    runner: str | None = None
    status: str | None = None
    """Reported or settled status, a `ReportStatus` or `Outcome` word."""
    message: str | None = None
    totals: Totals | None = None
    interrupted: bool = False
    killed: bool = False
    timed_out: bool = False


Seconds = Annotated[float, Field(ge=0)]


class Work(WireModel):
    """All that a runner needs to start one execution of a prepared build."""

    build: BuildReference
    task: TaskSnapshot
    on_disconnect: OnDisconnect = OnDisconnect.KEEP
    report: ReportPolicy = ReportPolicy.OPTIONAL
    limits: Limits = Limits()
    secret_parameters: tuple[str, ...] = ()
    """Names of parameters whose values are masked in the output and never put into arguments."""
    desktop: DesktopNeed = DesktopNeed.ANY
    desktop_size: Annotated[str, Field(pattern=r"^([1-9][0-9]{0,4}x[1-9][0-9]{0,4})?$")] = ""
    """``1920x1080`` exactly; empty where any size does."""
    failure_screenshot: bool = True
    """Keep a picture of its desktop where it fails."""
    record: bool = False
    """Keep a recording of its desktop."""
    accounts: dict[str, str] = {}
    """The account that the task holds of each resource with accounts, by the resource's label."""


def newest(*moments: datetime | None) -> datetime | None:
    """The latest of the given times that are known."""
    known = [moment for moment in moments if moment is not None]
    return max(known) if known else None
