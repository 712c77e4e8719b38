"""Real uv, a real package index, the real SDK of BotCity: from `deploy` to an import in a prepared environment."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.builds import Workshop, open_workshop
from agent.builds.environments import Environments
from agent.builds.errors import PreparationError
from agent.builds.installing import Installer
from agent.builds.interpreters import Interpreters
from agent.builds.launch import Equipment, Machine, plan
from agent.builds_port import LaunchRequest
from agent.mode import Mode
from agent.ports.clock import SystemClock
from agent.ports.files import SystemDisk
from agent.ports.tools import ToolCommand, ToolResult, run_tool
from agent.ports.uv import find_uv
from agent.wire.messages import Preparation
from agent.wire.task import TaskSnapshot, Work
from agent.wire.words import BuildState
from hub.domain.requirements import check_lock
from hub.services import builds
from hub.services.deployments import Wish
from hub.services.resolve import Locked, NotHere, RequirementResolver, Unresolvable
from hub.storage.blobs import FolderBlobs
from hub.storage.builds import BuildRow
from hub.storage.opening import open_store
from hub.storage.store import Store
from tests.storage import seeds
from tests.support.clock import START
from tests.support.packages import DirectHub, Intake, caller, package, reference

pytestmark = pytest.mark.slow

MISSING = "no package index is reached"
BOT = """
import sys
import botcity.maestro
from botcity.maestro import BotMaestroSDK
print(botcity.maestro.__file__)
print(sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def _index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where packages can't be had at all."""
    resolver = RequirementResolver(tmp_path_factory.mktemp("probe"), run_tool)
    found = asyncio.run(resolver.resolve("idna\n", "3.11"))
    if isinstance(found, NotHere):
        pytest.skip(MISSING)


class Counting:
    """The real tools, counted."""

    def __init__(self) -> None:
        self.commands: list[ToolCommand] = []

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run, and remember."""
        self.commands.append(command)
        return await run_tool(command, on_line)


class Machines:
    """A hub and a runner's home on one disk."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.tools = Counting()
        self.intake = Intake(store, folder, FolderBlobs(folder / "blobs", SystemDisk()), run_tool)
        self.hub = DirectHub(self.intake.files, seeds.WORKSPACE)

    def shop(self) -> Workshop:
        """The runner's parts, as a new daemon has them."""
        return open_workshop(self.folder / "home", SystemDisk(), tool=self.tools)

    async def deploy(self, files: dict[str, str], name: str) -> BuildRow:
        """Deploy, and let the hub resolve what it can."""
        upload = package(self.folder, files, name)
        received = await self.intake.deployments.deploy(caller(seeds.WORKSPACE), upload, Wish())
        await self.intake.resolver.resolve_waiting()
        return await self.store.read(builds.show, seeds.WORKSPACE, received.build.id)

    async def prepare(self, build: BuildRow) -> tuple[str | None, list[Preparation]]:
        """Prepare a ready build; its environment's key, and what was told."""
        told: list[Preparation] = []
        prepared = await self.shop().preparer.prepare(reference(build), self.hub, told.append)
        return prepared.environment, told


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    """A hub with a workspace, and an empty home."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    async with open_store(url, clock=SystemClock(), perform=lambda _: None) as store:
        await store.write(seeds.workspace)
        yield Machines(store, tmp_path)


async def test_a_botcity_bot_comes_all_the_way(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is a source package: the hub leaves it to a runner (S25, S47), and it runs when the index is cut."""
    build = await machines.deploy(
        {"bot.py": BOT, "requirements.txt": "botcity-maestro-sdk\n", "VERSION": "1"}, "sdk.zip"
    )
    assert (BuildState.RESOLVING, True) == (build.state, build.problem is not None)

    await machines.shop().resolver.resolve(reference(build, resolve=True), machines.hub, lambda _: None)
    build = await machines.store.read(builds.show, seeds.WORKSPACE, build.id)
    assert BuildState.READY == build.state
    key, told = await machines.prepare(build)
    assert key is not None
    assert any("botcity" in one.message for one in told)

    # Cut the index: a ready environment asks nobody, a lost one is made again from uv's cache.
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    before = len(machines.tools.commands)
    assert key == (await machines.prepare(build))[0]
    assert not [command for command in machines.tools.commands[before:] if {"sync", "venv"} & set(command.argv)]
    SystemDisk().remove_tree(machines.folder / "home" / "envs" / key)
    assert key == (await machines.prepare(build))[0]
    assert "--offline" in machines.tools.commands[-1].argv

    printed = await _run(machines, build, key)
    assert f"envs/{key}" in printed
    assert "['http://127.0.0.1:9', '1', 'token', 'acme']" in printed


async def test_a_plain_bot_gets_a_bare_environment_that_is_shared(machines: Machines) -> None:
    one = await machines.deploy({"main.py": "print(1)", "VERSION": "1"}, "one.zip")
    two = await machines.deploy({"main.py": "print(2)", "VERSION": "1"}, "two.zip")

    keys = {(await machines.prepare(build))[0] for build in (one, two)}

    assert 1 == len(keys)
    assert "2\n" == await _run(machines, two, str(keys.pop()))


async def test_wheels_are_locked_in_the_hub(machines: Machines) -> None:
    build = await machines.deploy(
        {"main.py": "import idna; print(idna.__name__)", "requirements.txt": "idna\n"}, "w.zip"
    )
    assert BuildState.READY == build.state
    check_lock((await machines.intake.files.lock(seeds.WORKSPACE, build.id)).decode(), frozenset({"idna"}))

    key, _ = await machines.prepare(build)

    assert "idna\n" == await _run(machines, build, str(key))
    assert "--no-build" in machines.tools.commands[-1].argv
    linked = [path for path in (machines.folder / "home" / "envs" / str(key)).rglob("*.py") if path.stat().st_nlink > 1]
    assert [] == linked


async def test_uvs_own_words_tell_why_a_list_is_refused(tmp_path: Path) -> None:
    resolver = RequirementResolver(tmp_path, run_tool)

    contradiction = await resolver.resolve("idna>3\nidna<3\n", "3.11")
    source = await resolver.resolve("botcity-maestro-sdk\n", "3.11")
    fine = await resolver.resolve("idna\n", "3.11")

    assert isinstance(contradiction, Unresolvable)
    assert "idna" in contradiction.problem
    assert isinstance(source, NotHere)
    assert "botcity-maestro-sdk" in source.why
    assert isinstance(fine, Locked)


async def test_a_wrong_hash_installs_nothing(machines: Machines, tmp_path: Path) -> None:
    """S25: hash-locked."""
    lock = f"idna==3.10 --hash=sha256:{'0' * 64}\n".encode()
    with pytest.raises(PreparationError, match=r"(?i)hash") as failed:
        await machines.shop().environments.ensure(">=3.11", lock, lambda _: None)
    assert failed.value.is_permanent
    assert [] == [path for path in (tmp_path / "home" / "envs").iterdir() if path.is_dir()]


async def test_without_uv_venv_and_pip_do_it(tmp_path: Path) -> None:
    """bot-packages.md §3: pip and venv are the fallback."""
    found = await RequirementResolver(tmp_path / "hub", run_tool).resolve("idna\n", "3.11")
    assert isinstance(found, Locked)
    (tmp_path / "tools" / "home").mkdir(parents=True)
    interpreters = Interpreters(tmp_path / "tools", run_tool, None)
    environments = Environments(
        tmp_path / "envs", SystemDisk(), interpreters, Installer(tmp_path / "tools", run_tool, None)
    )

    made = await environments.ensure(">=3.11", found.text.encode(), lambda _: None)

    result = await run_tool(
        ToolCommand(
            argv=(str(made.python), "-c", "import idna; print(idna.__file__)"), env={}, cwd=tmp_path, timeout_s=30
        )
    )
    assert str(made.root) in result.output


async def test_an_installed_python_is_found_by_uv(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    interpreters = Interpreters(tmp_path, run_tool, find_uv())

    found = await interpreters.find("3.11", lambda _: None)

    assert found.version.startswith("3.11.")
    with pytest.raises(PreparationError):
        await interpreters.find("3.99", lambda _: None)


async def _run(machines: Machines, build: BuildRow, key: str) -> str:
    """Start the build as a shim would, and return what it prints."""
    shop = machines.shop()
    manifest = shop.trees.manifest(build.digest)
    assert manifest is not None
    folder = machines.folder / "executions" / build.id
    folder.mkdir(parents=True)
    shop.work_folders.take(build.digest, manifest, shop.trees.path(build.digest), folder / "work")
    task = TaskSnapshot(
        number=1, round=1, workspace="acme", automation="a", automation_name="a", bot=build.bot, parameters={},
        priority=0, state="running", created_at=START,
    )  # fmt: skip
    request = LaunchRequest(
        execution_id="exe_1", task_id="tsk_1", folder=folder, slot=0, work=Work(build=reference(build), task=task),
        server_url="http://127.0.0.1:9", api_url="", token="token",
    )  # fmt: skip
    made = plan(
        request,
        Equipment(environment=shop.environments.ready(key)),
        Machine(mode=Mode.SERVICE, variables={}, hub_url="http://h"),
    )
    result = await run_tool(ToolCommand(argv=made.argv, env=made.env, cwd=made.cwd, timeout_s=60))
    assert result.succeeded, result.output
    return f"{result.output}\n"
