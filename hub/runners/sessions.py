"""All live runner sessions of this process, by runner, by ticket, by execution."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.services.live import Unclosed

if TYPE_CHECKING:
    from hub.runners.session import RunnerSession


class Sessions:
    """The registry. Used on the event loop only."""

    def __init__(self, boot_ns: Callable[[], int]) -> None:
        self._boot_ns = boot_ns
        self._began_ns = boot_ns()
        self._heard_ns: dict[str, int] = {}
        self._by_runner: dict[str, RunnerSession] = {}
        self._by_ticket: dict[str, RunnerSession] = {}
        self._by_execution: dict[str, RunnerSession] = {}
        self._unclosed: deque[Unclosed] = deque()
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def opening(self, runner_id: str) -> asyncio.Lock:
        """Held while a runner's session is replaced: one at a time, the old one gone first (core.md D5)."""
        return self._opening[runner_id]

    def add(self, session: "RunnerSession") -> None:
        """A session opened."""
        self._by_runner[session.runner_id] = session
        self._by_ticket[session.ticket] = session

    def remove(self, session: "RunnerSession") -> None:
        """A session ended: its ticket and its executions end with it."""
        if self._by_runner.get(session.runner_id) is session:
            del self._by_runner[session.runner_id]
        self._by_ticket.pop(session.ticket, None)
        for execution_id in [known for known, owner in self._by_execution.items() if owner is session]:
            del self._by_execution[execution_id]

    def own(self, execution_id: str, session: "RunnerSession") -> None:
        """Output of this execution is taken from this session, and from no other."""
        self._by_execution[execution_id] = session

    def disown(self, execution_id: str) -> None:
        """The hub has all of it."""
        self._by_execution.pop(execution_id, None)

    def owner(self, execution_id: str) -> "RunnerSession | None":
        """The session that an execution's output comes through."""
        return self._by_execution.get(execution_id)

    def heard(self, runner_id: str) -> None:
        """A heartbeat came."""
        self._heard_ns[runner_id] = self._boot_ns()

    def all(self) -> "list[RunnerSession]":
        """Every live session."""
        return list(self._by_runner.values())

    # --- what services see (`hub.services.live`) ---

    def find(self, runner_id: str, epoch: int | None = None) -> "RunnerSession | None":
        """The runner's session, if it lives here and has this epoch (any, when None)."""
        session = self._by_runner.get(runner_id)
        return session if session is not None and epoch in {None, session.epoch} else None

    def runners_of(self, workspace_id: str) -> list[str]:
        """Runners of a workspace that have a session here."""
        return [session.runner_id for session in self._by_runner.values() if session.workspace_id == workspace_id]

    def by_ticket(self, ticket: str) -> "RunnerSession | None":
        """The session that this HTTP ticket belongs to; a ticket dies with its socket (P2)."""
        session = self._by_ticket.get(ticket)
        return None if session is None or session.is_closing else session

    def silent_s(self, runner_id: str) -> float:
        """Seconds, suspend included, since this hub heard the runner's last heartbeat, or since it started (D10)."""
        return (self._boot_ns() - max(self._heard_ns.get(runner_id, 0), self._began_ns)) / 1e9

    def note_unclosed(self, ended: Unclosed) -> None:
        """The end of a session could not be written: a sweep does it."""
        self._unclosed.append(ended)

    def take_unclosed(self) -> Unclosed | None:
        """One whose end is to be written: it is the caller's now. None when there is none."""
        return self._unclosed.popleft() if self._unclosed else None
