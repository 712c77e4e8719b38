"""Shared environments that a run changed, and what goes when the disk is to hold less (bot-packages.md §3)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.builds import LocalBuilds, Machine, open_workshop
from agent.builds_port import BuildMissingError, LaunchPlan, LaunchRequest
from agent.mode import Mode
from agent.ports.files import SystemDisk
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference, TaskSnapshot, Work
from agent.wire.words import PreparationState
from tests.support.clock import START
from tests.support.runner_builds import MemoryHub, PretendTools, reference
from tests.support.waiting import eventually

PLENTY = 10**12
ENVS, BUILDS, FILES = "envs", "builds", "files"


class Runner:
    """A runner's builds on one home, daemon after daemon."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.hub = MemoryHub()
        self.tools = PretendTools()
        self.told: list[Preparation] = []

    @asynccontextmanager
    async def running(self, limit_bytes: int = PLENTY) -> AsyncIterator[LocalBuilds]:
        """One daemon's life."""
        shop = open_workshop(self.home, SystemDisk(), tool=self.tools, uv=Path("/uv"), limit_bytes=limit_bytes)
        builds = LocalBuilds(shop, self.hub, Machine(mode=Mode.SERVICE, variables={}, hub_url=""), self.told.append)
        async with asyncio.TaskGroup() as group:
            loop = group.create_task(builds.run())
            yield builds
            loop.cancel()

    def build(self, number: int, *, lock: bytes) -> BuildReference:
        """A build of its own with this list."""
        files = {"main.py": b"print(%d)\n" % number, "data.bin": bytes(1000) + b"%d" % number}
        manifest = self.hub.serve({**files, "same.txt": b"in all of them"})
        made = reference(manifest, python=">=3.11", lock=lock, hub=self.hub)
        build_id = f"bld_{number:032x}"
        self.hub.answers |= {
            path.replace(made.build_id, build_id): answer for path, answer in list(self.hub.answers.items())
        }
        return made.model_copy(update={"build_id": build_id})

    async def have(self, builds: LocalBuilds, *wanted: BuildReference) -> None:
        """Want these, and wait until they are prepared."""
        self.told.clear()
        builds.want(wanted)
        for one in wanted:
            await self.until(one, PreparationState.PREPARED)

    async def until(self, build: BuildReference, state: PreparationState) -> Preparation:
        """What was told of this state."""

        def told() -> list[Preparation]:
            return [one for one in self.told if one.build_id == build.build_id and one.state is state]

        return (await eventually(told, saying=f"{build.build_id} {state}"))[-1]

    async def launch(self, builds: LocalBuilds, build: BuildReference, name: str) -> LaunchPlan:
        """Start it."""
        folder = self.home / "executions" / name
        folder.mkdir(parents=True)
        task = TaskSnapshot(
            number=1, round=1, workspace="w", automation="a", automation_name="a", bot="b",
            parameters={}, priority=0, state="running", created_at=START,
        )  # fmt: skip
        work = Work(build=build, task=task)
        request = LaunchRequest(
            execution_id=name, task_id="tsk_1", folder=folder, slot=0, work=work, server_url="", api_url="", token="t"
        )
        return await asyncio.to_thread(builds.launch, request)

    def names(self, folder: str) -> set[str]:
        """Keys that are there."""
        return {path.name for path in (self.home / folder).iterdir() if len(path.name) == 64}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner with an empty home, whose looks come at once."""
    monkeypatch.setattr("agent.builds.upkeep.LOOK_AFTER_S", 0.0)
    monkeypatch.setattr("agent.builds.upkeep.LOOK_EVERY_S", 0.0)
    return Runner(tmp_path / "home")


def root_of(plan: LaunchPlan) -> Path:
    """The environment of a bot."""
    return Path(plan.env["VIRTUAL_ENV"])


async def test_an_environment_that_a_run_changed_is_made_again(runner: Runner) -> None:
    """bot-packages.md §3: "If the env's file list changed after a run, drop .ready"; with a word about it."""
    build = runner.build(1, lock=b"idna==3\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
        plan = await runner.launch(builds, build, "exe_1")
        # when the bot installs something into the environment that it shares
        (root_of(plan) / "bin" / "extra").write_text("by the bot")
        runner.told.clear()
        builds.ended("exe_1")
        # then it is made anew, without that
        said = await runner.until(build, PreparationState.WANTED)
        assert "a run changed its environment" in said.message
        await runner.until(build, PreparationState.PREPARED)
        assert not (root_of(plan) / "bin" / "extra").exists()
        await runner.launch(builds, build, "exe_2")


async def test_a_change_of_the_same_length_is_seen(runner: Runner) -> None:
    """Size and time of change, so that no content has to be read."""
    build = runner.build(1, lock=b"idna==3\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
        plan = await runner.launch(builds, build, "exe_1")
        listed = root_of(plan) / "requirements.lock"
        listed.write_bytes(listed.read_bytes().replace(b"3", b"4"))
        runner.told.clear()
        builds.ended("exe_1")
        await runner.until(build, PreparationState.WANTED)


async def test_an_unchanged_environment_stays(runner: Runner) -> None:
    build = runner.build(1, lock=b"idna==3\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
        made = len(runner.tools.ran("venv"))
        for number in range(3):
            await runner.launch(builds, build, f"exe_{number}")
            builds.ended(f"exe_{number}")
        await eventually(lambda: builds._shop.upkeep.next_look() is None)
        assert (made, (build.build_id,)) == (len(runner.tools.ran("venv")), builds.prepared())


async def test_nothing_is_made_anew_under_a_bot_that_runs(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spoiled environment starts no bot, and waits for the last one that stands on it; adopted ones count, too."""
    monkeypatch.setattr("agent.builds.local.FIRST_RETRY_S", 0.01)
    build = runner.build(1, lock=b"idna==3\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
        plan = await runner.launch(builds, build, "exe_1")
        await runner.launch(builds, build, "exe_2")
        (root_of(plan) / "bin" / "extra").write_text("by the bot")
        runner.told.clear()
        builds.ended("exe_1")
        said = await runner.until(build, PreparationState.FAILED)
        assert ("when the bots that stand on it have ended" in said.message, said.permanent) == (True, False)
        with pytest.raises(BuildMissingError):
            await runner.launch(builds, build, "exe_3")
        builds.ended("exe_3")
        assert (root_of(plan) / "bin" / "extra").exists()
    # a new daemon: the second bot still runs
    async with runner.running() as builds:
        builds.adopted("exe_2", build.build_id)
        runner.told.clear()
        builds.want([build])
        await runner.until(build, PreparationState.FAILED)
        assert (root_of(plan) / "bin" / "extra").exists()
        builds.ended("exe_2")
        await runner.until(build, PreparationState.PREPARED)
        assert not (root_of(plan) / "bin" / "extra").exists()


async def test_what_was_used_longest_ago_goes_first(runner: Runner) -> None:
    """bot-packages.md §3: "least recently used first, by disk limit": builds with their files, and environments."""
    one, two, three = (runner.build(number, lock=b"idna==%d\n" % number) for number in (1, 2, 3))
    async with runner.running() as builds:
        await runner.have(builds, one, two)
        await runner.launch(builds, one, "exe_1")
        builds.ended("exe_1")
        await eventually(lambda: {one.digest, two.digest} == runner.names("spares"))
        _age(runner, two, hours=1)
    # when only a third is wanted, which is as large as each of them, and there is room for two
    size = _size(runner)
    async with runner.running(limit_bytes=size + 100) as builds:
        await runner.have(builds, three)
        await eventually(lambda: two.digest not in runner.names(BUILDS))
        assert {one.digest, three.digest} == runner.names(BUILDS)
        assert two.build_id not in builds.prepared()
        assert PreparationState.WANTED is (await runner.until(two, PreparationState.WANTED)).state
        # what the builds have in common stays
        await runner.launch(builds, one, "exe_2")
        await runner.launch(builds, three, "exe_3")


async def test_what_is_wanted_or_in_use_never_goes(runner: Runner) -> None:
    """bot-packages.md §3: "never one in use"; a limit of 0 leaves what bots stand on and what is wanted."""
    one, two, three = (runner.build(number, lock=b"idna==%d\n" % number) for number in (1, 2, 3))
    async with runner.running() as builds:
        await runner.have(builds, one, two, three)
        plan = await runner.launch(builds, one, "exe_1")
    async with runner.running(limit_bytes=0) as builds:
        builds.adopted("exe_1", one.build_id)
        # nothing goes before the hub has said what it wants
        await eventually(lambda: builds._shop.upkeep.next_look() is None)
        assert {one.digest, two.digest, three.digest} == runner.names(BUILDS)
        await runner.have(builds, two)
        await eventually(lambda: {one.digest, two.digest} == runner.names(BUILDS))
        await eventually(lambda: len(runner.names(ENVS)) == 2)
        assert root_of(plan).name in runner.names(ENVS)
        # when the bot has ended, and something new is wanted
        builds.ended("exe_1")
        builds.discard("exe_1")
        await runner.have(builds, three)
        await eventually(lambda: {three.digest} == runner.names(BUILDS))
        await eventually(lambda: root_of(plan).name not in runner.names(ENVS))
        kept = {path.name for path in (runner.home / "prepared").iterdir()}
        assert {f"{three.build_id}.json"} == kept


async def test_a_start_that_comes_while_room_is_made_keeps_its_build(runner: Runner) -> None:
    """Whichever comes second sees the other: the build is given back, or the start is void."""
    build = runner.build(1, lock=b"idna==1\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
        builds.want([])
        shop = builds._shop.upkeep
        chosen = (
            frozenset(entry.name for entry in await shop.choose(frozenset()))
            or builds._prepared[build.build_id].names()
        )
        shop.uses.begin("exe_1", {f"record/{build.build_id}"})
        assert not builds._give_up(chosen)
        assert (build.build_id,) == builds.prepared()
        shop.uses.end("exe_1")
        assert builds._give_up(chosen)
        with pytest.raises(BuildMissingError):
            await runner.launch(builds, build, "exe_2")


async def test_what_a_crash_left_renamed_aside_is_swept(runner: Runner) -> None:
    """Crash-safe: renamed aside, then deleted."""
    build = runner.build(1, lock=b"idna==1\n")
    async with runner.running() as builds:
        await runner.have(builds, build)
    (key,) = runner.names(ENVS)
    (runner.home / ENVS / key).rename(runner.home / ENVS / ".gone-1")
    async with runner.running() as builds:
        assert () == builds.prepared()
        assert not (runner.home / ENVS / ".gone-1").exists()
        await runner.have(builds, build)


def _age(runner: Runner, build: BuildReference, *, hours: int) -> None:
    """As if nobody had used it for some hours: its tree, and the environment that only it needs."""
    record = json.loads((runner.home / "prepared" / f"{build.build_id}.json").read_text())
    tree, environment = runner.home / BUILDS / build.digest, runner.home / ENVS / record["environment"]
    for mark in (tree / "manifest.json", environment / ".ready"):
        then = mark.stat().st_mtime - 3600 * hours
        os.utime(mark, (then, then))


def _size(runner: Runner) -> int:
    from agent.builds.cleaner import Cleaner
    from agent.builds.store import FileStore
    from agent.builds.tree import Trees

    disk = SystemDisk()
    trees = Trees(runner.home / BUILDS, FileStore(runner.home / FILES, disk), disk)
    return sum(entry.size_bytes for entry in Cleaner(runner.home, disk, trees)._entries())
