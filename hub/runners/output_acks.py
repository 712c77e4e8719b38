"""Acknowledging output: at half a window, or after 250 ms, whichever comes first (core.md §3)."""

import asyncio
from collections.abc import Callable

from agent.wire.limits import OUTPUT_ACK_BYTES, OUTPUT_ACK_S
from agent.wire.messages import OutputAck, OutputRewind, ToRunner


class OutputAcks:
    """What one session's runner was told of its outputs, and what it should be told.

    A timer, no task: an idle session has thousands of neighbours.
    """

    __slots__ = ("_now", "_rewound", "_send", "_soon", "_told")

    def __init__(self, send: Callable[[ToRunner], None]) -> None:
        self._send = send
        self._told: dict[str, tuple[int, int]] = {}
        self._now: dict[str, tuple[int, int]] = {}
        self._rewound: dict[str, int] = {}
        self._soon: asyncio.TimerHandle | None = None

    def begin(self, execution_id: str, have: int, safe: int) -> None:
        """The runner was told this much at its resume."""
        self._told[execution_id] = self._now[execution_id] = (have, safe)

    def advanced(self, execution_id: str, have: int, safe: int | None = None) -> None:
        """An output grew, or became durable."""
        known_have, known_safe = self._now.get(execution_id, (0, 0))
        self._now[execution_id] = (max(have, known_have), known_safe if safe is None else max(safe, known_safe))
        self._rewound.pop(execution_id, None)
        told_have, _ = self._told.get(execution_id, (0, 0))
        if have - told_have >= OUTPUT_ACK_BYTES:
            self._tell(execution_id)
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(OUTPUT_ACK_S, self._tell_changed)

    def hole(self, execution_id: str, have: int) -> None:
        """A frame began behind what is stored: ask once for the rest, however many frames are under way."""
        if self._rewound.get(execution_id) != have:
            self._rewound[execution_id] = have
            self._send(OutputRewind(execution_id=execution_id, start=have))

    def again(self, execution_id: str, have: int) -> None:
        """What came behind `have` was refused, and may come now."""
        # A runner that has come back since knows less: first how far it is, then where to go on.
        self.advanced(execution_id, have)
        self._tell(execution_id)
        self._rewound[execution_id] = have
        self._send(OutputRewind(execution_id=execution_id, start=have))

    def forget(self, execution_id: str) -> None:
        """Nothing more will be told of it."""
        for known in (self._told, self._now, self._rewound):
            known.pop(execution_id, None)

    def close(self) -> None:
        """Tell nothing more: the session has ended."""
        if self._soon is not None:
            self._soon.cancel()

    def _tell_changed(self) -> None:
        self._soon = None
        for execution_id in [known for known, now in self._now.items() if self._told.get(known) != now]:
            self._tell(execution_id)

    def _tell(self, execution_id: str) -> None:
        have, safe = self._told[execution_id] = self._now[execution_id]
        self._send(OutputAck(execution_id=execution_id, have=have, safe=safe))
