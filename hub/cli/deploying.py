"""Deploying with progress: pack, upload, wait until the build is ready, release it, wait until a runner has it.

Nothing is asked for again and again: the hub tells of each change (`GET /bots/{bot}/builds/{build}?follow=true`).
"""

import contextlib
import io
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from agent.ports.clock import SystemClock
from hub.cli import show
from hub.cli.client import LOST, Client, Query, Upload, segment
from hub.cli.failing import Exit, Failure, Refusal, Unreached
from hub.cli.packing import Packed, PackingError, pack
from hub.cli.progress import Progress

WAIT_AT_MOST_S = 900.0
"""Preparing may mean downloading a large environment."""
GIVE_UP_AFTER_S = 60.0
"""A hub that does not answer for this long is not waited for any longer."""
SMALL_BYTES = 1024 * 1024
_LEFT_SHOWN = 10
"""What is not larger is packed and sent before anybody has read a bar."""
_AGAIN_S = 1.0


@dataclass(slots=True, kw_only=True)
class Deploying:
    """One deployment on its way."""

    client: Client
    progress: Progress = field(default_factory=Progress)
    stop: threading.Event = field(default_factory=threading.Event)

    def deploy(self, path: Path, said: Query, *, release: bool) -> dict[str, Any]:
        """Deploy a folder, an archive or a file; the build as it is at the end. Raises Failure, Refusal, Unreached."""
        try:
            deployed = self._upload(path, said)
            build = deployed["build"]
            known = "known already" if deployed["is_known"] else "received"
            self.progress.tell(f"{build['bot']} {build['version']}: {known}")
            self.progress.tell(f"{build['bot']} {build['version']}: recognised as {build['kind']}")
            build = self._until_ready(build)
            if release:
                self.client.post(f"{_path(build)}/release")
                self.progress.tell(f"{build['bot']} {build['version']}: released")
                build = self._until_prepared(build)
            return {**build, "automation": deployed["automation"]}
        finally:
            self.progress.end()

    def _upload(self, path: Path, said: Query) -> Any:
        with contextlib.ExitStack() as stack:
            try:
                packed = stack.enter_context(pack(path, lambda done, whole: self._packs(path.name, done, whole)))
            except PackingError as error:
                raise Failure(f"{error}.", Exit.USAGE) from None
            for left in packed.left_out[:_LEFT_SHOWN]:
                told = "left out, as it may hold passwords; bots get those by secret parameters (name?),"
                show.warn(f"{left}: {told} or by a line !{left} in .botyardignore")
            self.progress.tell(f"uploading {packed.name} ({show.size(packed.path.stat().st_size)})")
            answer = self._send(packed, said)
        self.progress.end()
        return answer

    def _packs(self, name: str, done: int, whole: int) -> None:
        if whole > SMALL_BYTES:
            self.progress.set(f"pack {name}", done / whole, f"{show.size(done)} of {show.size(whole)}")

    def _send(self, packed: Packed, said: Query) -> Any:
        size_bytes = packed.path.stat().st_size
        with packed.path.open("rb") as file:
            counted = cast("BinaryIO", _Counted(file, size_bytes, f"upload {packed.name}", self.progress))
            body = Upload(file=counted, size_bytes=size_bytes, content_type="application/octet-stream")
            return self.client.upload("/builds", body, {"name": packed.name, **said})

    def _until_ready(self, build: dict[str, Any]) -> dict[str, Any]:
        for found in self._changes(build):
            name = f"{found['bot']} {found['version']}"
            if found["state"] == "rejected":
                raise Failure(f"{name} is rejected: {found['problem']}")
            if found["state"] == "ready":
                self.progress.end()
                self.progress.tell(f"{name}: ready")
                return found
            why = show.one_line(found["problem"]) if found["problem"] else ""
            self.progress.set(f"resolve {name}", None, " ".join(word for word in (found["state"], why) if word))
        raise AssertionError("there is no limit to this waiting")

    def _until_prepared(self, build: dict[str, Any]) -> dict[str, Any]:
        """Wait for one connected fit runner; where none is connected, say so and wait for nothing."""
        name = f"{build['bot']} {build['version']}"
        for found in self._changes(build, WAIT_AT_MOST_S):
            self._show(found)
            if found["fit_runners"] == 0:
                self.progress.tell(f"{name}: no fit runner is connected; it is prepared when one comes")
                return found
            if found["prepared_runners"] > 0:
                self.progress.end()
                self.progress.tell(f"{name}: prepared on {found['prepared_runners']} of {found['fit_runners']} runners")
                return found
            failed = [one for one in found["preparations"] if one["permanent"]]
            if len(failed) >= found["fit_runners"]:
                raise Failure(f"{name} can't be prepared on any runner. {failed[0]['runner']}: {failed[0]['message']}")
        raise Failure(f"{build['bot']} is released, and still not prepared after {WAIT_AT_MOST_S:.0f} s.")

    def _show(self, found: dict[str, Any]) -> None:
        """A line for each connected runner that told how far it is."""
        told = [one for one in found["preparations"] if one["is_connected"] and one["state"] != "prepared"]
        for one in told:
            text = f"{one['state']}: {one['message']}" if one["message"] else one["state"]
            self.progress.set(f"prepare on {one['runner']}", one["progress"], show.one_line(text))
        if not found["preparations"] and found["fit_runners"]:
            runners = f"{found['fit_runners']} runner" + ("" if found["fit_runners"] == 1 else "s")
            self.progress.set(f"prepare on {runners}", None, "asked for")

    def _changes(self, build: dict[str, Any], within_s: float = math.inf) -> Iterator[dict[str, Any]]:
        """The build as it is, and again whenever it changed; from one connection to the next, for so many seconds."""
        clock = SystemClock()
        until, lost_s = clock.monotonic() + within_s, 0.0
        while clock.monotonic() < until:
            try:
                for event in self._told(build, lambda: clock.monotonic() > until):
                    lost_s = 0.0
                    yield event
            except Refusal as refusal:
                if refusal.status != 503:
                    raise
            except LOST as error:
                if lost_s >= GIVE_UP_AFTER_S:
                    raise Unreached(self.client.url, str(error)) from None
                self.progress.tell(f"(the hub is not reached ({error}); going on when it is back)")
            if self.stop.wait(_AGAIN_S):
                raise Failure("stopped; the hub goes on with the build", Exit.DETACHED)
            lost_s += _AGAIN_S

    def _told(self, build: dict[str, Any], is_late: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """What one connection tells of the build, until it is late or somebody stops this."""
        for event in self.client.events(_path(build), {"follow": True}, ""):
            if event.name == "build":
                yield json.loads(event.data)
            if self.stop.is_set() or is_late():
                return


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, size_bytes: int, name: str, progress: Progress) -> None:
        super().__init__()
        self._file = file
        self._size = size_bytes
        self._name = name
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._file.read(size)
        done = self._file.tell()
        if self._size > SMALL_BYTES:
            text = f"{show.size(done)} of {show.size(self._size)}"
            self._progress.set(self._name, done / self._size, text)
        return piece


def _path(build: dict[str, Any]) -> str:
    return f"/bots/{segment(build['bot'])}/builds/{segment(build['id'])}"
