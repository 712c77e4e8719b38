"""Builds on a runner: fetched, laid out, prepared; whole or not at all (R53, R55)."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.builds import Workshop, open_workshop
from agent.builds.errors import GoneAtHubError, HubUnreachableError, PreparationError
from agent.builds.prepare import Prepared
from agent.ports.files import SystemDisk
from agent.wire.builds import SOURCE_MARK, Manifest, file_path
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference
from agent.wire.words import PreparationState
from tests.support.runner_builds import MemoryHub, PretendTools, reference

FILES = {"main.py": b"print(1)\n", "data/big.bin": os.urandom(10_000), "data/copy.bin": b"", "run.sh": b"#!/bin/sh\n"}
LOCK = b"idna==3\n"


@pytest.fixture
def hub() -> MemoryHub:
    """A hub that serves from memory."""
    return MemoryHub()


@pytest.fixture
def tools() -> PretendTools:
    """A pretended uv."""
    return PretendTools()


@pytest.fixture
def open_shop(tmp_path: Path, tools: PretendTools) -> Callable[[], Workshop]:
    """Open the home as a new daemon does."""
    return lambda: open_workshop(tmp_path / "home", SystemDisk(), tool=tools, uv=Path("/uv"))


Open = Callable[[], Workshop]


async def prepare(shop: Workshop, build: BuildReference, hub: MemoryHub) -> tuple[Prepared, list[Preparation]]:
    """Prepare a build; what came of it, and what was told."""
    told: list[Preparation] = []
    return await shop.preparer.prepare(build, hub, told.append), told


async def test_only_missing_files_travel(open_shop: Open, hub: MemoryHub) -> None:
    """design.md §4: only what a machine lacks."""
    shop = open_shop()
    await prepare(shop, reference(hub.serve(FILES), hub=hub), hub)
    hub.asked.clear()

    await prepare(shop, reference(hub.serve({**FILES, "main.py": b"print(2)\n"}), hub=hub), hub)

    assert 2 == len(hub.asked)


async def test_progress_grows_from_fetching_to_the_end(open_shop: Open, hub: MemoryHub) -> None:
    build = reference(hub.serve(FILES), python=">=3.11", lock=LOCK, hub=hub)

    _, told = await prepare(open_shop(), build, hub)

    assert sorted(one.progress for one in told) == [one.progress for one in told]
    assert [PreparationState.FETCHING, PreparationState.INSTALLING] == list(dict.fromkeys(one.state for one in told))
    assert 0 == told[0].progress
    assert told[-1].progress < 1


async def test_a_cut_goes_on_where_it_was(open_shop: Open, hub: MemoryHub) -> None:
    """R53: Range resume."""
    build = reference(hub.serve(FILES), hub=hub)
    hub.cut_after = 3000

    await prepare(open_shop(), build, hub)

    starts = [start for path, start in hub.asked if path == _path_of(hub, "data/big.bin")]
    assert [0, 3000, 6000, 9000] == starts


async def test_a_restart_goes_on_where_it_was(open_shop: Open, hub: MemoryHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """R53: a part survives the daemon."""
    monkeypatch.setattr("agent.builds.store.TRIES", 1)
    monkeypatch.setattr("agent.builds.store._FIRST_PAUSE_S", 0.0)
    manifest = hub.serve(FILES)
    build = reference(manifest, hub=hub)
    whole = hub.answers[_path_of(hub, "data/big.bin")]
    hub.answers[_path_of(hub, "data/big.bin")] = whole[:4000]
    with pytest.raises(HubUnreachableError):
        await prepare(open_shop(), build, hub)
    hub.answers[_path_of(hub, "data/big.bin")] = whole
    hub.asked.clear()

    await prepare(open_shop(), build, hub)

    assert [4000] == [start for path, start in hub.asked if path == _path_of(hub, "data/big.bin")]


async def test_damage_on_the_way_is_seen_and_fetched_anew(open_shop: Open, hub: MemoryHub, tmp_path: Path) -> None:
    """R53: size and sha256 before use."""
    build = reference(hub.serve(FILES), hub=hub)
    good = hub.answers[_path_of(hub, "data/big.bin")]
    hub.answers[_path_of(hub, "data/big.bin")] = bytes([good[0] ^ 1]) + good[1:]
    with pytest.raises(PreparationError) as damaged:
        await prepare(open_shop(), build, hub)
    assert not damaged.value.is_permanent
    assert not (tmp_path / "home" / "builds" / build.digest).exists()

    hub.answers[_path_of(hub, "data/big.bin")] = good
    await prepare(open_shop(), build, hub)


async def test_a_longer_answer_than_the_manifest_says_is_refused(open_shop: Open, hub: MemoryHub) -> None:
    build = reference(hub.serve(FILES), hub=hub)
    hub.answers[_path_of(hub, "main.py")] += b"more"

    with pytest.raises(PreparationError, match="more than"):
        await prepare(open_shop(), build, hub)


async def test_a_manifest_of_another_build_is_refused(open_shop: Open, hub: MemoryHub) -> None:
    """S21: the digest is the build."""
    build = reference(hub.serve(FILES), hub=hub)
    other = hub.serve({"main.py": b"evil"})
    hub.answers[f"/runner/v1/builds/{build.digest}/manifest"] = other.canonical()

    with pytest.raises(PreparationError, match="not this build's"):
        await prepare(open_shop(), build, hub)


async def test_a_build_that_the_hub_lost_is_a_lasting_failure(open_shop: Open, hub: MemoryHub) -> None:
    """R55."""
    build = reference(hub.serve(FILES), hub=hub)
    hub.answers.clear()

    with pytest.raises(GoneAtHubError) as gone:
        await prepare(open_shop(), build, hub)
    assert gone.value.is_permanent


async def test_rot_in_the_store_is_found_when_a_tree_is_made(open_shop: Open, hub: MemoryHub, tmp_path: Path) -> None:
    """A file that was good when it came need not be good when it is used."""
    shop = open_shop()
    await prepare(shop, reference(hub.serve(FILES), hub=hub), hub)
    stored = tmp_path / "home" / "files" / _path_of(hub, "data/big.bin").partition("?")[0].rpartition("/")[2]
    stored.chmod(0o600)
    stored.write_bytes(b"\0" * 10_000)

    other = reference(hub.serve({**FILES, "main.py": b"print(2)\n"}), hub=hub)
    await prepare(shop, other, hub)

    assert FILES["data/big.bin"] == (shop.trees.path(other.digest) / "data/big.bin").read_bytes()


async def test_the_tree_is_read_only_and_shares_the_stores_bytes(open_shop: Open, hub: MemoryHub) -> None:
    shop = open_shop()
    build = reference(hub.serve(FILES, executable=frozenset({"run.sh"})), hub=hub)
    await prepare(shop, build, hub)

    tree = shop.trees.path(build.digest)
    assert {0o444} == {path.stat().st_mode & 0o777 for path in tree.rglob("*") if path.is_file()}
    assert {0o555} == {path.stat().st_mode & 0o777 for path in (tree, tree / "data")}
    assert 2 == (tree / "main.py").stat().st_nlink


async def test_a_half_made_tree_is_swept_and_a_gutted_one_made_again(
    open_shop: Open, hub: MemoryHub, tmp_path: Path
) -> None:
    """R53, R55: a crash leaves nothing that looks whole; what is missing later is noticed."""
    build = reference(hub.serve(FILES), hub=hub)
    half = tmp_path / "home" / "builds" / f".{build.digest}.0000.tmp" / "tree"
    half.mkdir(parents=True)
    shop = open_shop()
    assert not half.exists()
    await prepare(shop, build, hub)

    (tree := shop.trees.path(build.digest)).chmod(0o700)
    (tree / "main.py").unlink()
    assert shop.trees.manifest(build.digest) is None
    assert [] == open_shop().preparer.known()
    await prepare(shop, build, hub)
    assert b"print(1)\n" == (tree / "main.py").read_bytes()


async def test_a_prepared_build_asks_nobody_again(open_shop: Open, hub: MemoryHub, tools: PretendTools) -> None:
    """bot-packages.md §3: a ready environment starts without any network call."""
    build = reference(hub.serve(FILES), python=">=3.11", lock=LOCK, hub=hub)
    await prepare(open_shop(), build, hub)
    hub.down = True
    asked, ran = len(hub.asked), len(tools.ran("venv"))

    shop = open_shop()
    (known,) = shop.preparer.known()
    again, told = await prepare(shop, build, hub)

    assert known == again
    assert (asked, ran) == (len(hub.asked), len(tools.ran("venv")))
    assert {PreparationState.INSTALLING} == {one.state for one in told}


async def test_builds_with_the_same_needs_share_an_environment(
    open_shop: Open, hub: MemoryHub, tools: PretendTools
) -> None:
    """bot-packages.md §3: nothing about paths or the build's name in the key."""
    shop = open_shop()
    one, _ = await prepare(shop, reference(hub.serve(FILES), python=">=3.11", lock=LOCK, hub=hub), hub)
    two, _ = await prepare(shop, reference(hub.serve({"main.py": b"2"}), python="3.11", lock=LOCK, hub=hub), hub)
    bare, _ = await prepare(shop, reference(hub.serve({"main.py": b"3"}), python="3.11", hub=hub), hub)

    assert one.environment == two.environment != bare.environment
    assert 2 == len(tools.ran("venv"))


async def test_side_by_side_one_environment_is_made_once(
    open_shop: Open, hub: MemoryHub, tools: PretendTools, tmp_path: Path
) -> None:
    shop = open_shop()
    made = await asyncio.gather(*(shop.environments.ensure(">=3.11", LOCK, lambda _: None) for _ in range(5)))

    assert 1 == len({one.key for one in made})
    assert 1 == len(tools.ran("venv"))


async def test_an_environment_is_ready_last_or_not_at_all(
    open_shop: Open, hub: MemoryHub, tools: PretendTools, tmp_path: Path
) -> None:
    """bot-packages.md §3: `.ready` written last; without it the folder is thrown away and made again."""
    shop = open_shop()
    tools.complaints["sync"] = "error: No solution found"
    with pytest.raises(PreparationError, match="No solution") as failed:
        await shop.environments.ensure(">=3.11", LOCK, lambda _: None)
    assert failed.value.is_permanent
    assert [] == [path for path in (tmp_path / "home" / "envs").iterdir() if path.is_dir()]

    tools.complaints.clear()
    made = await shop.environments.ensure(">=3.11", LOCK, lambda _: None)
    (made.root / ".ready").unlink()
    (made.root / "half").touch()
    assert not (await open_shop().environments.ensure(">=3.11", LOCK, lambda _: None)).root.joinpath("half").exists()


async def test_an_environment_that_lost_bytes_is_not_ready(open_shop: Open, hub: MemoryHub) -> None:
    """What a power cut or a bot did to it is seen by the next daemon."""
    made = await open_shop().environments.ensure(">=3.11", LOCK, lambda _: None)
    (made.root / "requirements.lock").write_bytes(b"")

    assert open_shop().environments.ready(made.key) is None


async def test_a_run_that_wrote_into_an_environment_spoils_it(open_shop: Open, hub: MemoryHub) -> None:
    """bot-packages.md §3: if the file list changed after a run, drop `.ready`."""
    environments = open_shop().environments
    made = await environments.ensure(">=3.11", LOCK, lambda _: None)
    assert not environments.drop_if_changed(made.key)
    (made.root / "new.py").touch()

    assert environments.drop_if_changed(made.key)
    assert environments.ready(made.key) is None


@pytest.mark.parametrize(
    ("complaint", "is_permanent"),
    [
        ("error: Failed to fetch: `https://x`", False),
        ("error: Hash mismatch for `idna==3`", True),
        ("error: failed to write: No space left on device (os error 28)", False),
        ("error: Failed to build `x`", True),
    ],
)
async def test_passing_and_lasting_failures_are_told_apart(
    open_shop: Open, tools: PretendTools, complaint: str, is_permanent: bool
) -> None:
    tools.complaints["sync"] = complaint
    with pytest.raises(PreparationError) as failed:
        await open_shop().environments.ensure(">=3.11", LOCK, lambda _: None)
    assert is_permanent == failed.value.is_permanent


@pytest.mark.parametrize("lock", [LOCK, f"{SOURCE_MARK}\n".encode() + LOCK])
async def test_only_a_list_that_says_so_may_build_from_source(
    open_shop: Open, tools: PretendTools, lock: bytes
) -> None:
    """S25: hash-locked, wheels only; the cache before the network."""
    await open_shop().environments.ensure(">=3.11", lock, lambda _: None)

    (command,) = tools.ran("sync")
    assert {"--require-hashes", "--offline", "copy"} <= set(command.argv)
    assert (b"botyard" not in lock) == ("--no-build" in command.argv)


async def test_a_python_that_is_not_here_is_a_lasting_failure(open_shop: Open, tools: PretendTools) -> None:
    tools.complaints["find"] = "error: No interpreter found"
    with pytest.raises(PreparationError, match=r"no Python 3\.99") as failed:
        await open_shop().environments.ensure("3.99", LOCK, lambda _: None)
    assert failed.value.is_permanent


async def test_an_exact_patch_falls_back_to_its_minor_and_says_so(open_shop: Open, tools: PretendTools) -> None:
    """bot-packages.md §3, row "Python itself"."""
    told: list[str] = []
    tools.complaints["3.11.999"] = "error: No interpreter found"
    tools.complaints["3.11"] = "error: No interpreter found"
    await open_shop().environments.ensure("3.11.999", None, told.append)
    assert any("3.11.999 is not here" in line for line in told)


def _path_of(hub: MemoryHub, path: str) -> str:
    """Where the last served build's file is asked for."""
    manifest = Manifest.model_validate_json(
        next(data for name, data in hub.answers.items() if name.endswith("manifest"))
    )
    sha256 = hashlib.sha256(FILES[path]).hexdigest()
    return file_path(manifest.digest(), sha256)
