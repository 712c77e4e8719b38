"""Effects: what a use case wants done once it is committed, as data (core.md §5).

`hub/services/perform.py` carries them out: synchronously, on the loop, in commit order. Each is only a hint that some
scan redoes (core.md §1): Start and Query by the 5 s sweep, stop and cancel likewise, acks and desired builds by the
resume of a new session, wakes by sweeps, events by their position.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent.wire.messages import ToRunner
from agent.wire.words import VoidReason
from hub.domain.credits import Credit

ByeReason = Literal["shutdown", "revoked", "replaced", "protocol", "overload", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToRunner:
    """Send a message in this epoch's session; nowhere, when that session is gone (D4)."""

    runner_id: str
    epoch: int
    message: ToRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession:
    """End a session; the runner comes back and resume decides. `epoch` None means whichever lives."""

    runner_id: str
    epoch: int | None
    reason: ByeReason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnCredit:
    """The credit was not used."""

    credit: Credit


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStarted:
    """An order of this session ran (D7: breaks a row of stale ones)."""

    runner_id: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderVoided:
    """An order of this session came back void: the book withholds as D7 says."""

    workspace_id: str
    runner_id: str
    epoch: int
    build_id: str
    reason: VoidReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResumed:
    """The inventory is answered: from now on the session's credits count, for these builds."""

    runner_id: str
    epoch: int
    builds: frozenset[str]
    draining: bool
    proven: frozenset[str] = frozenset()
    """Bots that have succeeded there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPrepared:
    """A build is ready on a runner, or (`prepared` False) no longer."""

    runner_id: str
    epoch: int
    build_id: str
    prepared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSucceeded:
    """A bot has succeeded on a runner: it is given to that one before others."""

    runner_id: str
    bot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRunner:
    """Give out no slot of this runner, or do so again."""

    runner_id: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InWindow:
    """A maintenance window of this runner is open as its session begins."""

    runner_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeWindows:
    """A maintenance window was planned, or taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerFailed:
    """A runner's machine failed an execution: whoever keeps failing ones from work looks."""

    workspace_id: str
    runner_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeDispatch:
    """A task of the workspace could be granted."""

    workspace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeDue:
    """A task waits for this moment."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeDependents:
    """More tasks wait for one that has finished than one transaction could tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeQueue:
    """A queue has items to hand out, or may have: whoever waits for them looks."""

    workspace_id: str
    queue_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTaken:
    """Items of a queue were handed out: it may be empty. Nobody who waits for items need look."""

    workspace_id: str
    queue_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeTrigger:
    """A task of a trigger ended: one that makes tasks for a queue looks whether more are wanted."""

    workspace_id: str
    trigger_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeItems:
    """A lease ends soon, or an item is postponed: the clock of items looks when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeTriggers:
    """A trigger was made or changed: the next one may be due earlier than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeBreakers:
    """A breaker waits for a moment: the clock of breakers looks when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeFeed:
    """Kept for callers that want readers of the feed to look at once; the store rings by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshDesired:
    """Which builds a runner should have prepared may have changed; `runner_id` None: all of the workspace."""

    workspace_id: str
    runner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshWatched:
    """Which folders a runner should watch may have changed; `runner_id` None: of any of the workspace."""

    workspace_id: str
    runner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFinished:
    """The runner told the whole length of an output: finish it once the hub has that much."""

    workspace_id: str
    execution_id: str
    output_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputEnded:
    """An execution settled without its whole output: whoever follows it need not wait; late bytes are kept."""

    workspace_id: str
    execution_id: str


HubEffect = (
    SendToRunner
    | CloseSession
    | ReturnCredit
    | OrderStarted
    | OrderVoided
    | SessionResumed
    | BuildPrepared
    | BotSucceeded
    | DrainRunner
    | RunnerFailed
    | InWindow
    | WakeWindows
    | WakeDispatch
    | WakeDue
    | WakeDependents
    | WakeFeed
    | WakeTriggers
    | WakeQueue
    | QueueTaken
    | WakeItems
    | WakeTrigger
    | WakeBreakers
    | RefreshDesired
    | RefreshWatched
    | OutputFinished
    | OutputEnded
)
