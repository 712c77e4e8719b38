"""Signs of life to the service manager: ready, the link's state, and alive while loop and spool make progress.

Never tied to the hub's answering: its outage must not become a storm of restarts (`packaging.md` §4).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from agent.ports.notify import Notifier

_USUAL_S = 5.0
Probe = Callable[[], Awaitable[object]]
Answer = Callable[[], Awaitable[dict[str, Any]]]


async def give_signs(notifier: Notifier, status: Answer, probe: Probe) -> None:
    """A loop of the daemon's TaskGroup; returns at once where no manager listens.

    Each sign comes after `probe`, which returns only when the spool's thread has done something: one that hangs, or a
    loop that does not turn, gives none, and the manager starts another daemon, while the bots live on.
    """
    if not notifier.is_heard:
        return
    notifier.send(READY="1", STATUS=status_line(await status()))
    pause_s = min(_USUAL_S, (notifier.watchdog_s or _USUAL_S) / 3)
    while True:
        await probe()
        # Always with the status: one that was lost is told again.
        notifier.send(WATCHDOG="1", STATUS=status_line(await status()))
        await asyncio.sleep(pause_s)


def status_line(answer: dict[str, Any]) -> str:
    """What `systemctl status` shows: `linked` first, or why not."""
    work = f"{answer['free']} of {answer['slots']} slots free"
    return f"linked; {work}" if answer["linked"] else f"not linked: {answer['problem']}; {work}"
