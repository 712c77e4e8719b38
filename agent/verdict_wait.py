"""The daemon's wait for a verdict, whatever brings the shim's answer (`core.md` D1)."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from agent.shim.verdict import Verdict, VerdictDesk, VerdictError, decode_verdict
from agent.wire.words import VoidReason

VERDICT_S = 30.0
"""core.md D1: 30 s after hand-over the daemon links `void` in any case."""


async def await_verdict(
    answer: Awaitable[bytes], folder: Path, desk: VerdictDesk, within_s: float = VERDICT_S
) -> Verdict:
    """Return the durable verdict on the order of `folder`.

    The shim's answer, where it comes (empty: the shim has ended); after its death without one, or when the time is
    over, the verdict that holds after our own `void` was linked: which may be `started` all the same (core.md D1).
    """
    why = "the shim has ended"
    try:
        async with asyncio.timeout(within_s):
            return decode_verdict(await answer)
    except TimeoutError:
        why = "no verdict in time"
    except (VerdictError, OSError):
        pass
    return await asyncio.to_thread(desk.link_void, folder, VoidReason.SHIM_GONE, why)
