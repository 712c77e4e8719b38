"""What is known of a machine at one look, and what its administrator wants of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.wire.condition import ConditionFault, FaultCode

BROWSER = "browser"
"""The application that is looked for by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong now; `ConditionFault` adds since when."""

    code: FaultCode
    message: str
    remedy: str = ""
    application: str | None = None

    @property
    def what(self) -> tuple[FaultCode, str]:
        """What stays the same while a fault stays, whatever its figures are."""
        return self.code, self.application or ""


def what_of(fault: ConditionFault) -> tuple[FaultCode, str]:
    """As `Fault.what`."""
    return fault.code, fault.application or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The settings that facts are held against."""

    size: tuple[int, int] | None = None
    """Width and height in pixels; None: any will do."""
    dpi: int | None = None
    memory_bytes: int = 0
    clock_s: float = 60.0
    """How far the clock may be off the hub's."""
    applications: Mapping[str, str] = field(default_factory=dict)
    """Program by the name that bots ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """One look at all but the desktops; None is "not known"."""

    disk_short: str = ""
    """Why its disk is too full for new work, as a sentence; empty while it is not."""
    memory_bytes: int | None = None
    """What programs could still have without swapping."""
    clock_offset_s: float | None = None
    """How far this clock is ahead of the hub's; negative: behind."""
    clock_error_s: float = 0.0
    """By how much that may be wrong."""
    found: frozenset[str] = frozenset()
    """Applications that are there, `BROWSER` among them."""
    barred: frozenset[str] = frozenset()
    """Applications whose file is there, and can't be run by this user."""
