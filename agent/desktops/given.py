"""What one bot gets of the desktops: by what it needs and by its slot."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from agent.builds_port import CannotLaunchError
from agent.desktops.port import Desktops
from agent.wire.words import DesktopNeed

log = logging.getLogger(__name__)
_ARRIVES_WITHIN_S = 5.0
"""A virtual desktop that is being started is waited for: a daemon that has just begun takes work at once."""


async def variables_for(desktops: Desktops, slot: int, need: DesktopNeed) -> Mapping[str, str]:
    """DISPLAY and what belongs to it, for a bot in this slot; empty: it gets no desktop.

    Raises CannotLaunchError where it needs one and the slot has none now.
    """
    if need is DesktopNeed.NONE:
        return {}
    desktop = desktops.of_slot(slot)
    if desktop is None:
        if need is DesktopNeed.REQUIRED:
            raise CannotLaunchError(f"it needs a desktop, and slot {slot} has none")
        return desktops.shared
    with suppress(TimeoutError):
        async with asyncio.timeout(_ARRIVES_WITHIN_S):
            await desktop.until_known()
    if not desktop.is_there:
        problem = (await desktop.look()).problem
        if need is DesktopNeed.REQUIRED:
            raise CannotLaunchError(f"the desktop of slot {slot} is gone: {problem}")
        log.warning("a bot in slot %d gets no desktop: %s", slot, problem)
    return desktop.environment
