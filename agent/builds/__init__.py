"""Builds on a robot machine: fetched by content, laid out read-only, with an environment, copied for each execution.

hub ──fetch──> files/<sha256> ──hard link──> builds/<digest>/tree ──copy──> executions/<id>/work
                                             envs/<key> ─────────────────────^ python
"""

import os
from collections.abc import Callable
from pathlib import Path

from agent.builds.bot_environment import Mode
from agent.builds.environments import Environments
from agent.builds.hub_files import HubFiles
from agent.builds.installing import Installer
from agent.builds.interpreters import Interpreters
from agent.builds.launch import Machine
from agent.builds.local import LocalBuilds, Workshop
from agent.builds.node import NodePackages
from agent.builds.prepare import Preparer, Tools
from agent.builds.programs import Programs
from agent.builds.resolving import RunnerResolver
from agent.builds.short_tmp import sweep
from agent.builds.store import FileStore
from agent.builds.tree import Trees
from agent.builds.workfolder import WorkFolders
from agent.ports.files import Disk
from agent.ports.tools import RunTool, run_tool
from agent.ports.uv import find_uv
from agent.wire.messages import Preparation


def open_builds(
    home: Path, disk: Disk, hub: HubFiles, tell: Callable[[Preparation], None], machine: Machine
) -> LocalBuilds:
    """The builds of a runner's home. `tell` hears of every change of a wanted build."""
    return LocalBuilds(open_workshop(home, disk), hub, machine, tell)


def open_workshop(home: Path, disk: Disk, *, tool: RunTool = run_tool, uv: Path | None = None) -> Workshop:
    """The parts, on this home; sweeps what a crash left half made. `uv` is looked for when it is not named."""
    uv = uv or find_uv()
    sweep(home)
    tools = home / "tools"
    disk.make_folder(tools / "home")
    store = FileStore(home / "files", disk)
    trees = Trees(home / "builds", store, disk)
    trees.sweep()
    interpreters = Interpreters(tools, tool, uv)
    environments = Environments(home / "envs", disk, interpreters, Installer(tools, tool, uv))
    programs = Programs(tools, tool, os.environ)
    node = NodePackages(home / "node", tools, disk, tool, programs)
    equipment = Tools(environments=environments, node=node, programs=programs)
    return Workshop(
        preparer=Preparer(home / "prepared", disk, store, trees, equipment),
        resolver=RunnerResolver(tools, tool, uv, interpreters),
        trees=trees,
        environments=environments,
        node=node,
        work_folders=WorkFolders(home / "spares", disk),
    )


def this_machine(hub_url: str, mode: Mode = Mode.SERVICE) -> Machine:
    """What launches take from this machine and process."""
    return Machine(mode=mode, variables=dict(os.environ), hub_url=hub_url)


__all__ = ["HubFiles", "LocalBuilds", "Machine", "Mode", "Workshop", "open_builds", "open_workshop", "this_machine"]
