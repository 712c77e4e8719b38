"""A package's own wheels beside an index, with the real uv: the rest comes from there (bot-packages.md §3)."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from agent.builds.environments import Environments
from agent.builds.errors import PreparationError
from agent.builds.installing import Installer, Source
from agent.builds.interpreters import Interpreters
from agent.ports.files import SystemDisk
from agent.ports.tools import ToolCommand, run_tool
from agent.ports.uv import find_uv
from agent.wire.builds import NO_INDEX_MARK, Manifest, ManifestFile
from hub.services.packages.wheels import wheels_of
from hub.services.resolve import Locked, NotHere, OwnWheels, RequirementResolver, Unresolvable
from hub.storage.blobs import FolderBlobs
from tests.support.wheels import wheel

pytestmark = pytest.mark.slow

MISSING = "no package index is reached"
OWN = wheel("houseware", "1.2.0", "import idna\nname = idna.__name__\n", ["idna"])
# The newest of this name on any index is much higher: whoever brings 0.1 along means that one.
OLD = wheel("idna", "0.1", "")


def brought(folder: Path, *wheels: tuple[str, bytes], no_index: bool = False) -> OwnWheels:
    """A stored build with these wheels."""
    blobs = FolderBlobs(folder / "blobs", SystemDisk())
    files = []
    for name, data in wheels:
        blob = blobs.add([data])
        files.append(ManifestFile(path=f"wheels/{name}", sha256=blob.sha256, size=blob.size_bytes))
    return OwnWheels(wheels=wheels_of(Manifest(files=tuple(files)), blobs), no_index=no_index)


async def test_the_rest_comes_from_the_index(tmp_path: Path) -> None:
    """One package of its own, which needs one of the index: both in one list, by hash, and installed from both."""
    found = await RequirementResolver(tmp_path / "hub", run_tool).resolve("houseware\n", "3.11", brought(tmp_path, OWN))
    if isinstance(found, NotHere):
        pytest.skip(MISSING)
    assert isinstance(found, Locked)
    assert f"houseware==1.2.0 \\\n    --hash=sha256:{hashlib.sha256(OWN[1]).hexdigest()}" in found.text
    assert "idna==" in found.text
    tree = tmp_path / "tree"
    (tree / "wheels").mkdir(parents=True)
    (tree / "wheels" / OWN[0]).write_bytes(OWN[1])
    source = Source(tree=tree, digest="0" * 64, wheels=(tree / "wheels",))
    made = await environments(tmp_path).ensure(">=3.11", found.text.encode(), lambda _: None, source)
    command = (str(made.python), "-c", "import houseware; print(houseware.name)")
    assert "idna" == (await run_tool(ToolCommand(argv=command, env={}, cwd=tmp_path, timeout_s=30))).output
    # and without the folder the same list is refused as it is: nothing is taken from a stranger of that name
    with pytest.raises(PreparationError):
        await environments(tmp_path / "other").ensure(">=3.11", found.text.encode(), lambda _: None)
    assert [] == [path for path in (tmp_path / "other" / "envs").iterdir() if path.is_dir()]


async def test_a_version_that_is_brought_along_is_the_one(tmp_path: Path) -> None:
    """A higher one of the same name on an index is somebody else's, or not what was tried."""
    own = brought(tmp_path, OLD, wheel("houseware", "1.2.0", "", ["idna", "certifi"]))
    found = await RequirementResolver(tmp_path / "hub", run_tool).resolve("houseware\n", "3.11", own)
    if isinstance(found, NotHere):
        pytest.skip(MISSING)
    assert isinstance(found, Locked)
    assert "idna==0.1" in found.text
    assert "certifi==" in found.text


def test_what_is_lacking_with_no_index_is_said_at_once(tmp_path: Path) -> None:
    resolver = RequirementResolver(tmp_path / "hub", run_tool)
    lacking = asyncio.run(resolver.resolve("houseware\n", "3.11", brought(tmp_path, OWN, no_index=True)))
    assert isinstance(lacking, Unresolvable)
    assert "idna" in lacking.problem
    enough = asyncio.run(resolver.resolve("houseware\n", "3.11", brought(tmp_path, OWN, OLD, no_index=True)))
    assert isinstance(enough, Locked)
    assert enough.text.startswith(NO_INDEX_MARK)


def environments(folder: Path) -> Environments:
    """A runner's."""
    tools = folder / "tools"
    (tools / "home").mkdir(parents=True)
    interpreters = Interpreters(tools, run_tool, find_uv())
    return Environments(folder / "envs", SystemDisk(), interpreters, Installer(tools, run_tool, find_uv()))
