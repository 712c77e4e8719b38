"""A runner's builds without a hub: files from memory, tools that only pretend."""

import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from agent.builds.errors import GoneAtHubError, HubUnreachableError
from agent.ports.tools import ToolCommand, ToolResult
from agent.wire.builds import Manifest, ManifestFile, file_path, lock_path, manifest_path
from agent.wire.task import BuildReference, Launch
from agent.wire.words import Kind

BUILD_ID = "bld_" + "1" * 32


class MemoryHub:
    """`HubFiles` over a dictionary; `cut_after` bytes each answer breaks off, `down` answers nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.cut_after: int | None = None
        self.down = False
        self.uploaded: dict[str, bytes] = {}

    def serve(self, files: Mapping[str, bytes], *, executable: frozenset[str] = frozenset()) -> Manifest:
        """Serve a build of these files; its manifest."""
        manifest = Manifest(
            files=tuple(
                ManifestFile(
                    path=path,
                    sha256=hashlib.sha256(data).hexdigest(),
                    size=len(data),
                    executable=path in executable,
                )
                for path, data in sorted(files.items())
            )
        )
        digest = manifest.digest()
        self.answers[manifest_path(digest)] = manifest.canonical()
        for data in files.values():
            self.answers[file_path(digest, hashlib.sha256(data).hexdigest())] = data
        return manifest

    async def download(self, path: str, start: int = 0) -> AsyncIterator[bytes]:
        """As `HubFiles` says, in pieces of 1000 bytes."""
        self.asked.append((path, start))
        if self.down:
            raise HubUnreachableError("down")
        if path not in self.answers:
            raise GoneAtHubError(path)
        data = self.answers[path][start:]
        for at in range(0, len(data), 1000):
            if self.cut_after is not None and at >= self.cut_after:
                raise HubUnreachableError("cut")
            yield data[at : at + 1000]

    async def upload(self, path: str, data: bytes) -> None:
        """Keep what came."""
        self.uploaded[path] = data


class PretendTools:
    """`RunTool` for uv: makes a folder with a link to Python, writes lists, and remembers what it was told."""

    def __init__(self) -> None:
        self.commands: list[ToolCommand] = []
        self.complaints: dict[str, str] = {}
        """What a command says that has this word in it, instead of working."""

    async def __call__(self, command: ToolCommand, on_line: Callable[[str], None] | None = None) -> ToolResult:
        """Run as `RunTool` does."""
        self.commands.append(command)
        for word, complaint in self.complaints.items():
            if word in command.argv:
                return ToolResult(exit_code=2, output=complaint)
        if "venv" in command.argv:
            scripts = Path(command.argv[-1]) / "bin"
            scripts.mkdir(parents=True)
            (scripts / "python").symlink_to(sys.executable)
        if "-c" in command.argv:
            return ToolResult(exit_code=0, output=json.dumps(self.describe()))
        if "--output-file" in command.argv:
            (command.cwd / "requirements.lock").write_text("idna==3\n")
        if on_line is not None:
            on_line("Installed 1 package")
        return ToolResult(exit_code=0, output="")

    def describe(self) -> dict[str, str]:
        """What each interpreter says of itself."""
        return {"version": "3.11.7", "implementation": "cpython-311", "platform": "p", "machine": "m", "libc": "l"}

    def ran(self, word: str) -> list[ToolCommand]:
        """Commands with this word."""
        return [command for command in self.commands if word in command.argv]


def reference(manifest: Manifest, *, python: str = "", lock: bytes | None = None, hub: MemoryHub) -> BuildReference:
    """A build as a hub tells of it; its list is served, too."""
    digest = manifest.digest()
    if lock is not None:
        hub.answers[lock_path(digest, BUILD_ID)] = lock
    return BuildReference(
        build_id=BUILD_ID,
        digest=digest,
        bot="bot",
        version="1",
        launch=Launch(kind=Kind.PYTHON, entry="main.py", python=python),
        lock=hashlib.sha256(lock).hexdigest() if lock is not None else None,
    )
