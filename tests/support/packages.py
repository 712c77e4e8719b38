"""Small packages, and the parts of a hub that take them in, for tests."""

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from agent.ports.tools import RunTool, ToolCommand, ToolResult
from agent.wire.task import BuildReference, Launch
from hub.domain.access import Caller, Role
from hub.services.build_files import BuildFiles
from hub.services.deployments import Deployments, ResolverLoop, Upload
from hub.services.resolve import RequirementResolver
from hub.storage.blobs import FolderBlobs
from hub.storage.builds import BuildRow
from hub.storage.store import Store
from tests.support.clock import FakeClock

HASH = "--hash=sha256:" + "0" * 64


def package(folder: Path, files: Mapping[str, str | bytes], name: str = "bot.zip") -> Upload:
    """An upload of a zip with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    target = folder / name
    target.write_bytes(buffer.getvalue())
    return Upload(path=target, name=name)


def caller(workspace_id: str, role: Role = Role.DEVELOPER) -> Caller:
    """Somebody who may deploy there."""
    return Caller(workspace_id=workspace_id, workspace=workspace_id, token_id="key_1", name="dev", role=role)


class FakeUv:
    """A tool that writes the list it was given, or says what it was told to say."""

    def __init__(self, lock: str = f"idna==3.10 {HASH}\n", complaint: str = "") -> None:
        self.lock = lock
        self.complaint = complaint
        self.commands: list[ToolCommand] = []

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run as `RunTool` does."""
        del on_line
        self.commands.append(command)
        if self.complaint:
            return ToolResult(exit_code=1, output=self.complaint)
        (command.cwd / "requirements.lock").write_text(self.lock)
        return ToolResult(exit_code=0, output="")


class Intake:
    """A hub's deployment side on a store."""

    def __init__(
        self, store: Store, folder: Path, blobs: FolderBlobs, run_tool: RunTool, uv: Path | None = None
    ) -> None:
        self.resolver = ResolverLoop(store, blobs, RequirementResolver(folder / "uv", run_tool, uv=uv))
        self.deployments = Deployments(store, blobs, FakeClock(), self.resolver)
        self.files = BuildFiles(store, blobs)


class DirectHub:
    """`HubFiles` that asks the hub's `BuildFiles` without a network, and counts what was asked."""

    def __init__(self, files: BuildFiles, workspace_id: str, runner_id: str = "rnr_1") -> None:
        self._files = files
        self._workspace_id = workspace_id
        self._runner_id = runner_id
        self.asked: list[str] = []

    async def download(self, path: str, start: int = 0) -> AsyncIterator[bytes]:
        """Answer as the hub's routes do."""
        self.asked.append(path)
        route, _, query = path.removeprefix("/runner/v1/").partition("?")
        named = query.partition("=")[2]
        match route.split("/"):
            case ["blobs", sha256]:
                blob = await self._files.file(self._workspace_id, named, sha256)
                async for piece in self._files.read(blob, start):
                    yield piece
            case ["builds", digest, "manifest"]:
                yield await self._files.manifest(self._workspace_id, digest)
            case ["builds", _, "lock"]:
                yield await self._files.lock(self._workspace_id, named)
            case ["builds", _, "requirements"]:
                yield (await self._files.requirements(self._workspace_id, named)).encode()
            case _:
                raise AssertionError(path)

    async def upload(self, path: str, data: bytes) -> None:
        """Take a runner's list."""
        await self._files.accept_lock(self._workspace_id, self._runner_id, path.partition("=")[2], data)


def reference(build: BuildRow, *, resolve: bool = False) -> BuildReference:
    """The build as a runner is told of it."""
    return BuildReference(
        build_id=build.id,
        digest=build.digest,
        bot=build.bot,
        version=build.version,
        launch=Launch.model_validate(build.launch),
        lock=build.lock_digest,
        resolve=resolve,
    )
