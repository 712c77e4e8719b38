"""Builds on a robot machine: fetched by content, laid out read-only, with an environment, copied for each execution.

hub ──fetch──> files/<sha256> ──hard link──> builds/<digest>/tree ──copy──> executions/<id>/work
                                             envs/<key> ─────────────────────^ python
"""

import os
from pathlib import Path

from agent.builds.cleaner import Cleaner
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
from agent.builds.upkeep import Upkeep
from agent.builds.uses import Uses
from agent.builds.workfolder import WorkFolders
from agent.config import CACHE_LIMIT_BYTES
from agent.mode import Mode
from agent.ports.files import Disk, sweep_drafts
from agent.ports.tools import RunTool, run_tool
from agent.ports.uv import find_uv


def open_workshop(
    home: Path,
    disk: Disk,
    *,
    tool: RunTool = run_tool,
    uv: Path | None = None,
    limit_bytes: int = CACHE_LIMIT_BYTES,
) -> Workshop:
    """The parts, on this home; sweeps what a crash left half made. `uv` is looked for when it is not named.

    `limit_bytes` is what builds and environments may take together.
    """
    uv = uv or find_uv()
    sweep(home)
    tools = home / "tools"
    disk.make_folder(tools / "home")
    store = FileStore(home / "files", disk)
    trees = Trees(home / "builds", store, disk)
    trees.sweep()
    for folder in (home / "files", home / "prepared"):
        sweep_drafts(disk, folder)
    interpreters = Interpreters(tools, tool, uv)
    uses = Uses()
    cleaner = Cleaner(home, disk, trees, limit_bytes)
    cleaner.sweep()
    environments = Environments(home / "envs", disk, interpreters, Installer(tools, tool, uv), uses)
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
        upkeep=Upkeep(uses=uses, environments=environments, cleaner=cleaner),
    )


def this_machine(hub_url: str, mode: Mode) -> Machine:
    """What launches take from this machine and process."""
    return Machine(mode=mode, variables=dict(os.environ), hub_url=hub_url)


__all__ = ["HubFiles", "LocalBuilds", "Machine", "Workshop", "open_workshop", "this_machine"]
