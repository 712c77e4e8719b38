"""The interactive session that this process stands in: what it is, how large, locked or not; and when it sleeps.

`look_at_desktop` and `look_at_power` look anew at each call, take at most a few seconds, and never raise: what can't be
known is told as unknown.
"""

import sys
from collections.abc import Mapping

from agent.desktops.facts import DesktopFacts, PowerFacts
from agent.ports.tools import RunTool, run_tool

if sys.platform == "win32":

    async def look_at_desktop(environment: Mapping[str, str], tool: RunTool = run_tool) -> DesktopFacts:
        """The window station of this session."""
        from agent.desktops.windows import desktop_of
        from agent.desktops.windows_calls import SystemCalls

        del environment, tool
        return desktop_of(SystemCalls())

    async def look_at_power(environment: Mapping[str, str], tool: RunTool = run_tool) -> PowerFacts:
        """The power plan in force."""
        from agent.desktops.windows import power_of
        from agent.desktops.windows_calls import SystemCalls

        del environment, tool
        return power_of(SystemCalls())

elif sys.platform == "darwin":
    from agent.desktops.macos import look_at_desktop, look_at_power

else:
    from agent.desktops.linux import look_at_desktop, look_at_power

__all__ = ["DesktopFacts", "PowerFacts", "look_at_desktop", "look_at_power"]
