"""What the credit book gives out, is asked for, and shows (`hub.domain.credits`)."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from agent.wire.messages import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One slot of one session, taken for one grant; what the session could serve at that moment goes with it."""

    workspace_id: str
    runner_id: str
    epoch: int
    slot: int
    generation: int
    stamp: Stamp
    labels: Mapping[str, str]
    builds: frozenset[str]
    """Builds prepared there and not withheld: the only ones that this credit counts for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What credits are taken for."""

    workspace_id: str
    needs: Mapping[str, str]
    build_id: str
    _: KW_ONLY
    avoid: str = ""
    """A runner of which none is taken."""
    bot_id: str = ""


class Mend(StrEnum):
    """What ends the withholding of a credit (core.md D7)."""

    STAMP = "stamp"
    PREPARED = "prepared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One live session as `waiting` sees it: what it serves and how busy it is."""

    runner_id: str
    builds: frozenset[str]
    withheld: frozenset[str]
    free_slots: tuple[int, ...]
    is_draining: bool
    is_ready: bool
    is_paused: bool
    unfit: tuple[str, ...] = ()
    """Why it is not ready, in its own words."""

    @property
    def free(self) -> int:
        """How many slots could be given out now."""
        return len(self.free_slots)
