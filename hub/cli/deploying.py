"""Deploying with progress: upload, wait until the build is ready, release it, wait until a runner has it prepared."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.cli import show
from hub.cli.client import Client, Query, Upload, segment
from hub.cli.failing import Exit, Failure
from hub.cli.packing import Packed, PackingError, pack

LOOK_EVERY_S = 0.3
WAIT_AT_MOST_S = 900.0
"""Preparing may mean downloading a large environment."""


@dataclass(slots=True, kw_only=True)
class Deploying:
    """One deployment on its way."""

    client: Client
    tell: Callable[[str], None]
    """Shows how far it is: one short line, told again only when it changed."""
    stop: threading.Event = field(default_factory=threading.Event)

    def deploy(self, path: Path, said: Query, *, release: bool) -> dict[str, Any]:
        """Deploy a folder, an archive or a file; the build as it is at the end. Raises Failure, Refusal, Unreached."""
        with contextlib.ExitStack() as stack:
            try:
                packed = stack.enter_context(pack(path))
            except PackingError as error:
                raise Failure(f"{error}.", Exit.USAGE) from None
            deployed = self._upload(packed, said)
        build = deployed["build"]
        self.tell(f"{build['bot']} {build['version']}: {'known already' if deployed['is_known'] else 'received'}")
        build = self._until_ready(build)
        if release:
            self.client.post(f"{_path(build)}/release")
            self.tell(f"{build['bot']} {build['version']}: released")
            build = self._until_prepared(build)
        return {**build, "automation": deployed["automation"]}

    def _upload(self, packed: Packed, said: Query) -> Any:
        size_bytes = packed.path.stat().st_size
        self.tell(f"uploading {packed.name} ({show.size(size_bytes)})")
        with packed.path.open("rb") as file:
            body = Upload(file=file, size_bytes=size_bytes, content_type="application/octet-stream")
            return self.client.upload("/builds", body, {"name": packed.name, **said})

    def _until_ready(self, build: dict[str, Any]) -> dict[str, Any]:
        found = build
        while found["state"] != "ready":
            if found["state"] == "rejected":
                raise Failure(f"{found['bot']} {found['version']} is rejected: {found['problem']}")
            why = f" ({found['problem'].splitlines()[0]})" if found["problem"] else ""
            self.tell(f"{found['bot']} {found['version']}: {found['state']}{why}")
            found = self._look(build)
        self.tell(f"{found['bot']} {found['version']}: ready")
        return found

    def _until_prepared(self, build: dict[str, Any]) -> dict[str, Any]:
        """Wait for one connected fit runner; where none is connected, say so and wait for nothing."""
        waited_s = 0.0
        while waited_s < WAIT_AT_MOST_S:
            found = self._look(build)
            name = f"{found['bot']} {found['version']}"
            if found["fit_runners"] == 0:
                self.tell(f"{name}: no fit runner is connected; it is prepared when one comes")
                return found
            if found["prepared_runners"] > 0:
                self.tell(f"{name}: prepared on {found['prepared_runners']} of {found['fit_runners']} runners")
                return found
            failed = [one for one in found["preparations"] if one["permanent"]]
            if len(failed) >= found["fit_runners"]:
                raise Failure(f"{name} can't be prepared on any runner. {failed[0]['runner']}: {failed[0]['message']}")
            self.tell(f"{name}: {_progress(found)}")
            waited_s += LOOK_EVERY_S
        raise Failure(f"{build['bot']} is released, and still not prepared after {WAIT_AT_MOST_S:.0f} s.")

    def _look(self, build: dict[str, Any]) -> dict[str, Any]:
        if self.stop.wait(LOOK_EVERY_S):
            raise Failure("stopped; the hub goes on with the build", Exit.DETACHED)
        found: dict[str, Any] = self.client.get(_path(build))
        return found


def _path(build: dict[str, Any]) -> str:
    return f"/bots/{segment(build['bot'])}/builds/{segment(build['id'])}"


def _progress(found: dict[str, Any]) -> str:
    told = [one for one in found["preparations"] if one["is_connected"]]
    if not told:
        return f"waiting for one of {found['fit_runners']} runners to prepare it"
    one = max(told, key=lambda preparation: float(preparation["progress"]))
    text = f"{one['state']} on {one['runner']}, {one['progress']:.0%}"
    return f"{text}: {one['message']}" if one["message"] else text


@dataclass(slots=True)
class Teller:
    """Shows progress on stderr: each new line once."""

    _last: str = ""

    def __call__(self, text: str) -> None:
        """Show a line, unless it is the one that was shown last."""
        if text != self._last:
            self._last = text
            show.note(text)
