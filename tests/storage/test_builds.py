"""Builds from upload to release, on each engine (design.md §1, core.md §1)."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent.ports.files import SystemDisk
from agent.wire.builds import read_manifest
from agent.wire.messages import Preparation
from agent.wire.words import BuildState, PreparationState
from hub.domain.package_options import PackageOptions
from hub.errors import BotyardError, Conflict, Invalid, NotFound
from hub.services import builds, preparations, releases
from hub.services.deployments import Wish
from hub.services.effects import BuildPrepared, RefreshDesired, WakeDispatch
from hub.storage.blobs import FolderBlobs
from hub.storage.builds import BuildRow
from hub.storage.store import Store
from hub.storage.tables import runners
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.packages import HASH, FakeUv, Intake, caller, package

ME = caller(seeds.WORKSPACE)
OTHER = caller(seeds.OTHER)
PLAIN = {"main.py": "print(1)\n", "VERSION": "1.0\n"}
NEEDY = {**PLAIN, "requirements.txt": "idna\n"}
NO_WHEEL = "error: Because x has no usable wheels\nhint: building from source is disabled"


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """An empty store of blobs."""
    return FolderBlobs(tmp_path / "blobs", SystemDisk())


@pytest.fixture
def uv() -> FakeUv:
    """A resolver that says what a test tells it to."""
    return FakeUv()


@pytest.fixture
async def intake(store: Store, blobs: FolderBlobs, uv: FakeUv, tmp_path: Path) -> Intake:
    """The deployment side of a hub with two workspaces."""
    await store.write(seeds.work)
    return Intake(store, tmp_path, blobs, uv, uv=Path("/uv"))


async def deploy(intake: Intake, folder: Path, files: dict[str, str], name: str = "plain.zip") -> BuildRow:
    """The build that these files become."""
    return (await intake.deployments.deploy(ME, package(folder, files, name), Wish())).build


async def connect(store: Store, *names: str) -> None:
    """Give runners a session."""
    for name in names:
        await store.write(_connect, name)


def _connect(tx: Transaction, name: str) -> Done[None]:
    values = {"session_epoch": 1, "last_epoch": 1, "hub_id": "hub"}
    tx.connection.execute(sa.update(runners).where(runners.c.id == name).values(**values))
    return Done(None)


def told(build: BuildRow, state: PreparationState, message: str = "", *, permanent: bool = False) -> Preparation:
    """What a runner says of a build."""
    return Preparation(build_id=f"bld_{build.id[4:]}", state=state, message=message, permanent=permanent)


async def test_a_package_without_requirements_is_ready_at_once(intake: Intake, tmp_path: Path) -> None:
    build = await deploy(intake, tmp_path, PLAIN)

    assert ("plain", "1.0", BuildState.READY, 2) == (build.bot, build.version, build.state, build.file_count)
    assert build.ready_at is not None


async def test_requirements_are_resolved_after_the_answer(
    intake: Intake, store: Store, blobs: FolderBlobs, uv: FakeUv, tmp_path: Path
) -> None:
    """design.md §1: received > resolving > ready; the list is stored with the build."""
    build = await deploy(intake, tmp_path, NEEDY)
    assert BuildState.RECEIVED == build.state

    await intake.resolver.resolve_waiting()

    ready = await store.read(builds.show, seeds.WORKSPACE, build.id)
    assert BuildState.READY == ready.state
    assert uv.lock.encode() == await intake.files.lock(seeds.WORKSPACE, build.id)
    (command,) = uv.commands
    assert {"--universal", "--generate-hashes", "--only-binary", "--no-config"} <= set(command.argv)
    assert not [name for name in command.env if name.startswith(("BOTYARD", "AWS", "PG"))]


async def test_a_hub_that_died_in_mid_resolve_goes_on(intake: Intake, store: Store, tmp_path: Path) -> None:
    """design.md §1; R54: one that dies does not hold up another."""
    build = await deploy(intake, tmp_path, NEEDY)
    await store.write(builds.begin_resolving, seeds.WORKSPACE, build.id)

    await intake.resolver.resolve_waiting()

    assert BuildState.READY == (await store.read(builds.show, seeds.WORKSPACE, build.id)).state


async def test_what_cannot_be_resolved_is_rejected_and_may_be_deployed_again(
    intake: Intake, store: Store, uv: FakeUv, tmp_path: Path
) -> None:
    uv.complaint = "warning: x\nerror: No solution found\n  cause: nothing provides idna"
    build = await deploy(intake, tmp_path, NEEDY)
    await intake.resolver.resolve_waiting()
    rejected = await store.read(builds.show, seeds.WORKSPACE, build.id)
    assert BuildState.REJECTED == rejected.state
    assert "nothing provides idna" in str(rejected.problem)

    uv.complaint = ""
    again = await deploy(intake, tmp_path, {**NEEDY, "requirements.txt": "idna>=3\n"})
    await intake.resolver.resolve_waiting()

    assert build.id == again.id
    assert BuildState.READY == (await store.read(builds.show, seeds.WORKSPACE, build.id)).state


async def test_a_version_never_changes(intake: Intake, store: Store, tmp_path: Path) -> None:
    """design.md §1: other bytes under a used version are a conflict, the same bytes are the same build."""
    build = await deploy(intake, tmp_path, PLAIN)
    same = await intake.deployments.deploy(ME, package(tmp_path, PLAIN, "plain.zip"), Wish())
    assert (build.id, True) == (same.build.id, same.is_known)

    with pytest.raises(Conflict) as used:
        await deploy(intake, tmp_path, {**PLAIN, "main.py": "print(2)\n"})
    assert "version_used" == used.value.code
    wish = Wish(options=PackageOptions(args=("--x",)))
    with pytest.raises(Conflict, match="started differently"):
        await intake.deployments.deploy(ME, package(tmp_path, PLAIN, "plain.zip"), wish)


async def test_concurrent_deployments_of_one_version_make_one_build(intake: Intake, tmp_path: Path) -> None:
    """R54."""
    uploads = [
        package(tmp_path, {"main.py": f"print({number % 2})", "VERSION": "1"}, f"{number}.zip") for number in range(6)
    ]
    tried = await asyncio.gather(
        *(intake.deployments.deploy(ME, upload, Wish(bot="one")) for upload in uploads), return_exceptions=True
    )

    made = [one for one in tried if not isinstance(one, BaseException)]
    assert 3 == len(made)
    assert 1 == len({one.build.id for one in made})
    assert all(isinstance(one, Conflict) for one in tried if isinstance(one, BaseException))


@pytest.mark.parametrize(
    ("files", "wish", "code"),
    [
        ({"README.md": "x"}, Wish(), "unknown_package"),
        ({"../main.py": "x"}, Wish(), "unsafe_path"),
        ({"main.py": "", "requirements.txt": "-e ."}, Wish(), "bad_requirements"),
        ({"main.py": ""}, Wish(bot="a/b"), "bad_bot_name"),
        ({"main.py": ""}, Wish(version="a b"), "bad_version"),
        ({"a.py": "", "main.py": "", "bot.py": ""}, Wish(), "ambiguous_entry"),
    ],
)
async def test_a_wrong_package_fails_before_a_runner_gets_it(
    intake: Intake, store: Store, tmp_path: Path, files: dict[str, str], wish: Wish, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await intake.deployments.deploy(ME, package(tmp_path, files), wish)
    assert code == refused.value.code
    assert ["invoices"] == [bot.name for bot in await store.read(builds.bots, seeds.WORKSPACE, "", 10)]


async def test_only_a_ready_build_is_released(intake: Intake, store: Store, heard: Heard, tmp_path: Path) -> None:
    await deploy(intake, tmp_path, NEEDY)
    with pytest.raises(Conflict, match="is received"):
        await store.write(releases.release, ME, "plain", "1.0")
    await intake.resolver.resolve_waiting()
    heard.performed.clear()

    released = await store.write(releases.release, ME, "plain", "1.0")
    assert released.is_released
    assert [RefreshDesired(workspace_id=seeds.WORKSPACE), WakeDispatch(workspace_id=seeds.WORKSPACE)] == heard.performed
    with pytest.raises(NotFound):
        await store.write(releases.release, ME, "plain", "2.0")


async def test_a_runner_should_have_the_released_builds_of_what_it_fits(
    intake: Intake, store: Store, tmp_path: Path
) -> None:
    """core.md §1: builds are brought to runners as desired state."""
    await deploy(intake, tmp_path, PLAIN, "invoices.zip")
    await deploy(intake, tmp_path, {**PLAIN, "main.py": "2"}, "nobody.zip")
    for bot in ("invoices", "nobody"):
        await store.write(releases.release, ME, bot, "1.0")

    assert () == (await store.read(preparations.desired, seeds.WORKSPACE, "rnr_1")).builds
    await connect(store, "rnr_1")
    (wanted,) = (await store.read(preparations.desired, seeds.WORKSPACE, "rnr_1")).builds
    assert ("invoices", False) == (wanted.bot, wanted.resolve)


async def test_what_needs_a_source_package_is_resolved_by_one_runner(
    intake: Intake, store: Store, uv: FakeUv, heard: Heard, tmp_path: Path
) -> None:
    """design.md §1, S25, S47: the hub never runs a package's code."""
    uv.complaint = NO_WHEEL
    build = await deploy(intake, tmp_path, NEEDY)
    await intake.resolver.resolve_waiting()
    await connect(store, "rnr_1", "rnr_2")

    asked = {name: await store.read(preparations.desired, seeds.WORKSPACE, name) for name in ("rnr_1", "rnr_2")}
    assert [(True, build.id)] == [(one.resolve, one.build_id) for one in asked["rnr_1"].builds]
    assert () == asked["rnr_2"].builds
    assert "idna\n" == await intake.files.requirements(seeds.WORKSPACE, build.id)
    with pytest.raises(Invalid):
        await intake.files.accept_lock(seeds.WORKSPACE, "rnr_1", build.id, b"idna @ http://evil")
    with pytest.raises(Invalid, match="lacks idna"):
        await intake.files.accept_lock(seeds.WORKSPACE, "rnr_1", build.id, f"other==1 {HASH}".encode())

    assert await intake.files.accept_lock(seeds.WORKSPACE, "rnr_1", build.id, f"idna==3 {HASH}".encode())
    assert BuildState.READY == (await store.read(builds.show, seeds.WORKSPACE, build.id)).state
    with pytest.raises(Conflict):
        await intake.files.accept_lock(seeds.WORKSPACE, "rnr_2", build.id, f"idna==4 {HASH}".encode())


async def test_a_runner_that_cannot_resolve_passes_it_on_and_the_last_rejects_it(
    intake: Intake, store: Store, uv: FakeUv, tmp_path: Path
) -> None:
    uv.complaint = NO_WHEEL
    build = await deploy(intake, tmp_path, NEEDY)
    await intake.resolver.resolve_waiting()
    await connect(store, "rnr_1", "rnr_2")
    failed = told(build, PreparationState.FAILED, "no compiler", permanent=True)

    await store.write(preparations.record, seeds.WORKSPACE, "rnr_1", 1, failed)
    assert 1 == len((await store.read(preparations.desired, seeds.WORKSPACE, "rnr_2")).builds)
    await store.write(preparations.record, seeds.WORKSPACE, "rnr_2", 1, failed)

    rejected = await store.read(builds.show, seeds.WORKSPACE, build.id)
    assert (BuildState.REJECTED, "no compiler") == (rejected.state, rejected.problem)


async def test_deploying_again_lets_the_hub_try_again(intake: Intake, store: Store, uv: FakeUv, tmp_path: Path) -> None:
    uv.complaint = "error: Failed to fetch: x\n  cause: error sending request"
    build = await deploy(intake, tmp_path, NEEDY)
    await intake.resolver.resolve_waiting()
    uv.complaint = ""
    assert build.id == (await deploy(intake, tmp_path, NEEDY)).id

    await intake.resolver.resolve_waiting()

    assert BuildState.READY == (await store.read(builds.show, seeds.WORKSPACE, build.id)).state


async def test_what_runners_say_is_kept_and_told(intake: Intake, store: Store, heard: Heard, tmp_path: Path) -> None:
    build = await deploy(intake, tmp_path, PLAIN, "invoices.zip")
    await store.write(releases.release, ME, "invoices", "1.0")
    await connect(store, "rnr_1", "rnr_2")
    heard.performed.clear()

    await store.write(preparations.record, seeds.WORKSPACE, "rnr_1", 1, told(build, PreparationState.PREPARED))
    assert BuildPrepared(runner_id="rnr_1", epoch=1, build_id=build.id, prepared=True) in heard.performed
    (row,) = await store.read(preparations.of_build, seeds.WORKSPACE, build.id)
    assert ("rnr_1", PreparationState.PREPARED, True) == (row.runner, row.state, row.is_connected)

    await store.write(preparations.resumed, seeds.WORKSPACE, "rnr_1", ())
    (row,) = await store.read(preparations.of_build, seeds.WORKSPACE, build.id)
    assert PreparationState.WANTED == row.state


async def test_a_build_is_hopeless_when_every_fit_runner_failed_for_good(
    intake: Intake, store: Store, tmp_path: Path
) -> None:
    """core.md §1: `refused: environment`; while one may still manage, tasks wait."""
    build = await deploy(intake, tmp_path, PLAIN, "invoices.zip")
    await store.write(releases.release, ME, "invoices", "1.0")
    assert await store.read(preparations.cannot_be_prepared, seeds.WORKSPACE, build.id) is None
    await connect(store, "rnr_1", "rnr_2")
    failed = told(build, PreparationState.FAILED, "no Python 3.9", permanent=True)

    await store.write(preparations.record, seeds.WORKSPACE, "rnr_1", 1, failed)
    assert await store.read(preparations.cannot_be_prepared, seeds.WORKSPACE, build.id) is None
    await store.write(preparations.record, seeds.WORKSPACE, "rnr_2", 1, failed)
    assert "rnr_1: no Python 3.9" == await store.read(preparations.cannot_be_prepared, seeds.WORKSPACE, build.id)


async def test_a_runner_reads_the_builds_of_its_own_workspace_only(
    intake: Intake, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """S8, S35: whoever guesses a digest learns nothing."""
    build = await deploy(intake, tmp_path, PLAIN)
    manifest = read_manifest(await intake.files.manifest(seeds.WORKSPACE, build.digest), build.digest)
    file = next(file for file in manifest.files if file.path == "main.py")
    blob = await intake.files.file(seeds.WORKSPACE, build.digest, file.sha256)

    assert b"int(1)\n" == b"".join([piece async for piece in intake.files.read(blob, 2)])
    assert b"int" == b"".join([piece async for piece in intake.files.read(blob, 2, 3)])
    foreign = await asyncio.to_thread(blobs.add, [b"an artifact"])
    for asked in (
        intake.files.manifest(seeds.OTHER, build.digest),
        intake.files.file(seeds.OTHER, build.digest, file.sha256),
        intake.files.file(seeds.WORKSPACE, build.digest, foreign.sha256),
        intake.files.file(seeds.WORKSPACE, "0" * 64, file.sha256),
        intake.files.lock(seeds.OTHER, build.id),
        intake.files.requirements(seeds.OTHER, build.id),
        intake.files.accept_lock(seeds.OTHER, "rnr_1", build.id, b""),
    ):
        with pytest.raises(BotyardError):
            await asked


async def test_a_lost_file_is_a_build_that_is_gone(intake: Intake, blobs: FolderBlobs, tmp_path: Path) -> None:
    """R55."""
    build = await deploy(intake, tmp_path, PLAIN)
    (tmp_path / "blobs" / build.digest[:2] / build.digest).unlink()

    with pytest.raises(NotFound) as gone:
        await intake.files.manifest(seeds.WORKSPACE, build.digest)
    assert "build_gone" == gone.value.code


async def test_bots_and_versions_of_workspaces_are_apart(intake: Intake, store: Store, tmp_path: Path) -> None:
    """S35, S36."""
    mine = await deploy(intake, tmp_path, PLAIN)
    theirs = (
        await intake.deployments.deploy(
            OTHER, package(tmp_path, {"main.py": "2", "VERSION": "1.0"}, "plain.zip"), Wish()
        )
    ).build

    assert mine.id != theirs.id
    with pytest.raises(NotFound):
        await store.read(builds.show, seeds.OTHER, mine.id)
    with pytest.raises(NotFound):
        await store.read(builds.of_version, seeds.OTHER, "invoices", "1.0")
