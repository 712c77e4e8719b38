"""Whether this machine can make a virtual desktop: one is made, looked at and ended, in a folder of its own."""

import tempfile
from pathlib import Path

from agent.cgroups.choice import Hierarchies
from agent.desktops import server as x_server
from agent.desktops.choice import VirtualPlan
from agent.desktops.facts import DesktopFacts
from agent.desktops.linux import look_at_desktop
from agent.desktops.records import Records
from agent.ports.files import Disk

_NAME = "virtual, tried now"


async def try_one(plan: VirtualPlan, disk: Disk) -> DesktopFacts:
    """What it was while it lived, or why it did not; takes a second. Never raises for what the machine lacks."""
    with tempfile.TemporaryDirectory(prefix="botyard-") as folder:
        records = Records(Path(folder), disk)
        try:
            server = await x_server.start(plan, 0, records, Hierarchies())
        except (x_server.NotStartedError, OSError) as error:
            remedy = f"start {plan.program} by hand, or reinstall it: it says what it lacks"
            return DesktopFacts(kind="x11", name=_NAME, problem=str(error), remedy=remedy)
        try:
            variables = {"DISPLAY": server.record.display, "XAUTHORITY": str(records.authority(0))}
            facts = await look_at_desktop(variables, is_virtual=True)
        finally:
            await server.drop()
    return facts
