"""The table of kinds, one row a kind of package: the first match from the top wins (bot-packages.md §2).

A new kind is a new row here, a word in `agent.wire.words.Kind`, and its command line in
`agent/builds/command_lines.py`.
"""

from hub.domain.kinds.inline import SCRIPT
from hub.domain.kinds.package import Rule
from hub.domain.kinds.programs import BATCH, EXECUTABLE, JAVA, NODE, POWERSHELL, SHELL
from hub.domain.kinds.project import PROJECT
from hub.domain.kinds.python import BOTCITY, PYTHON
from hub.domain.kinds.robocorp import ROBOCORP
from hub.domain.kinds.robot import ROBOT

RULES: tuple[Rule, ...] = (
    ROBOCORP,
    BOTCITY,
    PROJECT,
    ROBOT,
    SCRIPT,
    PYTHON,
    NODE,
    JAVA,
    POWERSHELL,
    BATCH,
    SHELL,
    EXECUTABLE,
)

__all__ = ["EXECUTABLE", "RULES"]
