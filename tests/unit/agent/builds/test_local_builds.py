"""The loop that keeps wanted builds ready, and what it tells the daemon (core.md §1, D7)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.builds import LocalBuilds, Machine, open_workshop
from agent.builds_port import BuildMissingError, LaunchRequest
from agent.mode import Mode
from agent.ports.files import SystemDisk
from agent.wire.builds import SOURCE_MARK, lock_path, requirements_path
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference, TaskSnapshot, Work
from agent.wire.words import PreparationState
from tests.support.clock import START
from tests.support.runner_builds import BUILD_ID, MemoryHub, PretendTools, reference
from tests.support.waiting import eventually

FILES = {"main.py": b"print(1)\n"}


class Runner:
    """A runner's builds, started again and again on one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.hub = MemoryHub()
        self.tools = PretendTools()
        self.told: list[Preparation] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LocalBuilds]:
        """One daemon's life."""
        shop = open_workshop(self.home, SystemDisk(), tool=self.tools, uv=Path("/uv"))
        builds = LocalBuilds(shop, self.hub, Machine(mode=Mode.SERVICE, variables={}, hub_url=""), self.told.append)
        async with asyncio.TaskGroup() as group:
            loop = group.create_task(builds.run())
            yield builds
            loop.cancel()

    async def until(self, state: PreparationState, **members: object) -> Preparation:
        """The first telling of this state, with these members."""

        def told() -> list[Preparation]:
            found = [one for one in self.told if one.state is state]
            return [one for one in found if all(getattr(one, name) == value for name, value in members.items())]

        return (await eventually(told, within=10, saying=str(state)))[0]

    def request(self, build: BuildReference, name: str = "exe_1") -> LaunchRequest:
        """An order of this build."""
        folder = self.home / "executions" / name
        folder.mkdir(parents=True)
        task = TaskSnapshot(
            number=1, round=1, workspace="w", automation="a", automation_name="a", bot="b",
            parameters={}, priority=0, state="running", created_at=START,
        )  # fmt: skip
        work = Work(build=build, task=task)
        return LaunchRequest(
            execution_id=name, task_id="tsk_1", folder=folder, slot=0, work=work, server_url="", api_url="", token="t"
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner with an empty home."""
    return Runner(tmp_path / "home")


@pytest.fixture
def build(runner: Runner) -> BuildReference:
    """A build that the hub serves."""
    return reference(runner.hub.serve(FILES), python=">=3.11", lock=b"idna==3\n", hub=runner.hub)


async def test_a_wanted_build_becomes_prepared_and_can_be_launched(runner: Runner, build: BuildReference) -> None:
    async with runner.running() as builds:
        assert () == builds.prepared()
        builds.want([build])
        await runner.until(PreparationState.PREPARED, progress=1.0)

        assert (build.build_id,) == builds.prepared()
        plan = await asyncio.to_thread(builds.launch, runner.request(build))
    assert b"print(1)\n" == (plan.cwd / "main.py").read_bytes()
    states = list(dict.fromkeys(one.state for one in runner.told))
    assert ["wanted", "fetching", "installing", "prepared"] == states


async def test_a_new_daemon_knows_what_is_prepared_before_any_hub_says_so(
    runner: Runner, build: BuildReference
) -> None:
    """P2: the inventory is told before anything is wanted; nothing is asked of hub or index."""
    async with runner.running() as builds:
        builds.want([build])
        await runner.until(PreparationState.PREPARED)
    runner.hub.down = True
    asked, ran = len(runner.hub.asked), len(runner.tools.commands)

    async with runner.running() as builds:
        assert (build.build_id,) == builds.prepared()
        runner.told.clear()
        builds.want([build])
        assert [PreparationState.PREPARED] == [one.state for one in runner.told]
        await asyncio.to_thread(builds.launch, runner.request(build))
    assert (asked, ran) == (len(runner.hub.asked), len(runner.tools.commands))


async def test_a_passing_failure_is_tried_again(
    runner: Runner, build: BuildReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.builds.local.FIRST_RETRY_S", 0.01)
    runner.tools.complaints["sync"] = "error: Failed to fetch"
    async with runner.running() as builds:
        builds.want([build])
        assert not (await runner.until(PreparationState.FAILED)).permanent
        runner.tools.complaints.clear()
        await runner.until(PreparationState.PREPARED)


async def test_a_lasting_failure_is_told_once_and_again_when_asked(runner: Runner, build: BuildReference) -> None:
    runner.tools.complaints["sync"] = "error: Hash mismatch"
    async with runner.running() as builds:
        builds.want([build])
        failed = await runner.until(PreparationState.FAILED, permanent=True)
        assert "Hash mismatch" in failed.message
        ran = len(runner.tools.commands)
        builds.want([build])
        assert failed == runner.told[-1]
        assert ran == len(runner.tools.commands)


async def test_a_build_that_vanished_is_void_and_made_again(runner: Runner, build: BuildReference) -> None:
    """R55, D7: `build_gone`, then fetched again."""
    async with runner.running() as builds:
        builds.want([build])
        await runner.until(PreparationState.PREPARED)
        runner.told.clear()
        SystemDisk().remove_tree(runner.home / "builds" / build.digest)

        with pytest.raises(BuildMissingError):
            await asyncio.to_thread(builds.launch, runner.request(build))
        await runner.until(PreparationState.WANTED, message="is made again")
        await runner.until(PreparationState.PREPARED)
        await asyncio.to_thread(builds.launch, runner.request(build, "exe_2"))


async def test_an_unknown_build_is_missing(runner: Runner, build: BuildReference) -> None:
    async with runner.running() as builds:
        with pytest.raises(BuildMissingError):
            await asyncio.to_thread(builds.launch, runner.request(build))


async def test_a_list_that_the_hub_cannot_make_is_made_here_and_uploaded(runner: Runner, build: BuildReference) -> None:
    """design.md §1: a build that needs a source package is resolved on a runner."""
    runner.hub.answers[requirements_path(build.digest, BUILD_ID)] = b"idna\n"
    asked = build.model_copy(update={"resolve": True, "lock": None})
    async with runner.running() as builds:
        builds.want([asked])
        await runner.until(PreparationState.WANTED, message="requirements are resolved")
        assert f"{SOURCE_MARK}\nidna==3\n".encode() == runner.hub.uploaded[lock_path(build.digest, BUILD_ID)]
        assert () == builds.prepared()
        builds.want([build])
        await runner.until(PreparationState.PREPARED)


async def test_wheels_of_the_build_count_where_it_is_resolved(runner: Runner) -> None:
    """bot-packages.md §3, offline: the runner that resolves brings the build's own wheels here first."""
    files = {**FILES, "vendor/own-1-py3-none-any.whl": b"PK", "vendor/readme.txt": b"", "wheels/none.txt": b""}
    asked = reference(runner.hub.serve(files), python=">=3.11", hub=runner.hub).model_copy(update={"resolve": True})
    runner.hub.answers[requirements_path(asked.digest, BUILD_ID)] = b"own\n"
    async with runner.running() as builds:
        builds.want([asked])
        await runner.until(PreparationState.WANTED, message="requirements are resolved")
    (command,) = runner.tools.ran("compile")
    folder = runner.home / "builds" / asked.digest / "tree" / "vendor"
    assert 1 == command.argv.count("--find-links")
    assert str(folder) == command.argv[command.argv.index("--find-links") + 1]
    assert (folder / "own-1-py3-none-any.whl").is_file()


async def test_what_is_no_longer_wanted_is_not_told(runner: Runner, build: BuildReference) -> None:
    runner.hub.down = True
    async with runner.running() as builds:
        builds.want([build])
        await runner.until(PreparationState.FETCHING)
        builds.want([])
        told = len(runner.told)
        builds.want([])
        assert told == len(runner.told)


async def test_a_spare_work_folder_waits_for_the_next_start(runner: Runner, build: BuildReference) -> None:
    """core.md §2: made ahead, so that a start costs one rename."""
    spare = runner.home / "spares" / build.digest
    is_there: Callable[[], bool] = spare.exists
    async with runner.running() as builds:
        builds.want([build])
        await eventually(is_there)
        inode = (spare / "main.py").stat().st_ino
        plan = await asyncio.to_thread(builds.launch, runner.request(build))
        assert inode == (plan.cwd / "main.py").stat().st_ino
        await eventually(is_there)
