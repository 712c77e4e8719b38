"""What a world asks of a simulated runner's machine (`runner.SimRunner`), and what it tells it of its bots.

The world draws scripts and faults from its seed; the machine plays them and writes down what truly happened on it, by
witnesses that are independent of our code: the bot's own acts, the kernel's knowledge of how it ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.wire.words import ReportStatus
from tests.history.recorder import Recorder
from tests.simulation.chance import Chance
from tests.simulation.loop import SimLoop
from tests.simulation.network import Network, Wire
from tests.simulation.process import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """Bytes that a bot writes so many seconds after its start."""

    at_s: float
    data: bytes
    stream: str = "stdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a bot does; times in seconds after its first act."""

    prints: Sequence[Print] = ()
    report: ReportStatus | None = None
    report_at_s: float = 0.0
    ends_at_s: float | None = 1.0
    """None: it hangs until somebody ends it."""
    exit_code: int = 0
    ignores: frozenset[int] = frozenset()
    """Signals that do nothing to it; SIGKILL always does."""


ScriptOf = Callable[[str, int], Script]
"""The script of a task's attempt: (task id, fence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What everything in a world stands on."""

    loop: SimLoop
    chance: Chance
    network: Network
    recorder: Recorder
    """On virtual time."""
    script_of: ScriptOf = lambda *_: Script()


class Machine(Protocol):
    """A host with a home, on which incarnations of the daemon run; shims and bots outlive a daemon, not their host.

    `SimRunner(around, name, hub, slots=n)` makes one; its first `start` enrols it (`SimHub.enrol`) and makes its home.
    Its daemon dials by `around.network.dialler(name)`; its builds have `work.build_of(kind)` prepared, always.

    It records `Started`, `Wrote`, `Reported`, `Stopped`, `Ended` of each bot as they happen (`tests.history.events`).
    """

    @property
    def name(self) -> str:
        """The host's, and its wire's in the network."""
        ...

    @property
    def runner_id(self) -> str:
        """What its enrolment gave it."""
        ...

    @property
    def host(self) -> Host:
        """Its clocks."""
        ...

    @property
    def wire(self) -> Wire:
        """Its way to the hub."""
        ...

    @property
    def is_daemon_up(self) -> bool:
        """Whether a daemon runs."""
        ...

    @property
    def living(self) -> Sequence[str]:
        """Executions whose shim lives, oldest first."""
        ...

    @property
    def bots(self) -> Sequence[str]:
        """Executions of whose bot a process lives."""
        ...

    @property
    def failures(self) -> Sequence[BaseException]:
        """What ended a daemon or a shim although nobody ended it."""
        ...

    def leftovers(self) -> Sequence[str]:
        """What is there although all is over: living shims and bots, folders of executions, spooled facts (C11)."""
        ...

    async def start(self) -> None:
        """Start the daemon (again); the machine is switched on where it was off."""
        ...

    def kill_daemon(self) -> None:
        """Kill -9: its shims and bots live on."""
        ...

    def stop_daemon(self) -> None:
        """SIGTERM: no new work, bots stay, gone within ten seconds (R26)."""
        ...

    def freeze(self) -> None:
        """SIGSTOP of the daemon."""
        ...

    def go_on(self) -> None:
        """SIGCONT; without effect on one that runs."""
        ...

    def kill_shim(self, execution_id: str) -> None:
        """Kill -9 of one shim."""
        ...

    def crash(self) -> None:
        """The machine loses power: what was not synced is gone, or a part of it; `start` boots it again."""
        ...

    def fill_disk(self, *, full: bool) -> None:
        """Let every write that needs room fail with ENOSPC, or no more."""
        ...

    def break_disk(self) -> None:
        """Let the next sync fail with EIO."""
        ...
