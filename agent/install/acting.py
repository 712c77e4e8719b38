"""The steps of an installation, in an order in which each may be the last: the same line again goes on from there.

look > unpack > try > enrol > stop > point `current` at it > install the service > start > wait for the link > doctor

Until `enrol` nothing of an older version is touched, and what fails takes away what it has made. From then on this
machine is a runner; a version that does not run gives the place back to the one before it. A service that ran runs
again, however this ends: who is refused, who presses Ctrl-C, whose terminal is closed.
"""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agent.errors import AgentError, SetupError
from agent.install.asking import Answer, Tools
from agent.install.unpacking import unpack, version_of
from agent.install.wish import Place, Wish
from agent.mode import Mode
from agent.ports.files import Disk
from agent.service import launchd, systemd
from agent.service.spec import NAME, Manager, Spec, System, Verb

TOKEN_PREFIX = "byt_"  # noqa: S105 - as agent.wire.enrolment has it, which needs a library
_PACKAGED = tuple(Path(top) / "systemd" / "system" / systemd.UNIT for top in ("/usr/lib", "/lib"))
_ROOM_FACTOR = 5
"""What a bundle takes when it is unpacked, beside itself."""
_TRIED = "import agent.cli, agent.daemon.root, agent.doctor.command, agent.enrol, agent.service.acting, agent.shim.body"
_LINK_TRIES = 60
_ENDED_TRIES = 8
_HELD_TRIES = 240
EXIT_LINKED, EXIT_NOT_RUNNING, EXIT_NOT_LINKED = 0, 3, 4


class _NoLinkError(AgentError):
    """It was started, and its hub does not have it."""


class Installation:
    """One machine on its way to be a runner of one hub. `say` is given each thing that was done."""

    def __init__(self, wish: Wish, place: Place, bundle: Path, tools: Tools, disk: Disk) -> None:
        """Raises AgentError for a bundle of another name."""
        self._wish, self._place, self._bundle = wish, place, bundle
        self._tools, self._disk = tools, disk
        self._folder = place.version(version_of(bundle))
        self._served = False
        """Whether a service of the version before runs when we come."""

    async def run(self, read_token: Callable[[], str], say: Callable[[str], None]) -> None:
        """All of it. Raises SetupError and AgentError with one sentence; then nothing is half done."""
        known = self._known()
        await self._look(known)
        token = read_token() if known is None else ""
        if not token and known is None:
            raise SetupError("no token came by standard input: paste the whole line of botyard runner token")
        fresh = await self._unpacked(say)
        self._served = await self._serves()
        if token:
            await self._enrol(token, fresh=fresh, say=say)
            await self._put_to_work(say)
            return
        say(f"this machine is runner {(known or {}).get('name', '')} already; the token was not used")
        try:
            await self._put_to_work(say)
        except _NoLinkError as error:
            raise AgentError(
                f"{error}; it knows its hub as {(known or {}).get('hub_url')}: "
                "if that has moved, or has revoked this runner, paste a fresh line with --again behind install"
            ) from None

    # --- look --------------------------------------------------------------------------------------------------------

    def _known(self) -> dict[str, Any] | None:
        """Who the home's runner is; None where nobody enrolled it, or it is to be another one."""
        if self._wish.again:
            return None
        raw = self._disk.read(self._place.home / "identity.json")
        try:
            return None if raw is None else dict(json.loads(raw))
        except ValueError:
            raise SetupError(f"{self._place.home}/identity.json is damaged: add --again to the line") from None

    async def _look(self, known: dict[str, Any] | None) -> None:
        """Refuse what can't end well, before anything is written."""
        place, wish = self._place, self._wish
        if known is not None and known.get("hub_id") != wish.hub_id:
            raise SetupError(
                f"this machine is runner {known.get('name')} of {known.get('hub_url')}, which is another hub: "
                "take the line of that one, or add --again to be a runner of this one"
            )
        if place.mode is Mode.SERVICE and any(self._disk.exists(path) for path in _PACKAGED):
            raise SetupError(
                f"apt has installed {NAME} here, and brings its versions: "
                f"echo TOKEN | sudo {NAME} enroll {wish.hub} --token -"
            )
        above = place.prefix if place.prefix.is_dir() else place.ground
        if not os.access(above, os.W_OK):
            raise SetupError(f"{above} can't be written by this user: put sudo before sh, or mend its rights")
        home = next(path for path in (place.home, *place.home.parents) if self._disk.exists(path))
        if not os.access(home, os.W_OK):
            raise SetupError(f"--home: {home} can't be written by this user: name another folder, or mend its rights")
        need = self._bundle.stat().st_size * _ROOM_FACTOR
        if shutil.disk_usage(above).free < need:
            raise SetupError(f"the disk of {above} has no room for {need // 1_000_000} MB: free some and paste again")
        if wish.with_service:
            await self._need_manager()

    async def _need_manager(self) -> None:
        manager: Manager = systemd if self._place.system is System.LINUX else launchd
        spec = Spec(
            system=self._place.system, mode=self._place.mode, python="", home="", user="", definitions="", uid=_uid()
        )
        for command in manager.commands(Verb.CHECK, spec):
            answer = await self._tools.run(command.argv)
            if answer.code != 0:
                raise SetupError(
                    f"no service manager answers here ({answer.last or command.argv[0]}); "
                    "put `install --no-service` behind the line to start it by other means"
                )

    # --- make --------------------------------------------------------------------------------------------------------

    async def _unpacked(self, say: Callable[[str], None]) -> bool:
        """Have the version; True when it was not there."""
        if self._disk.exists(self._folder):
            say(f"{self._folder} is there")
            return False
        draft = self._folder.with_name(f"{self._folder.name}.tmp")
        self._disk.remove_tree(draft)
        try:
            self._disk.make_folder(self._place.prefix, 0o755)
            unpack(self._bundle, draft, self._place.current, self._disk)
            await self._try(draft)
            _sync()
            draft.rename(self._folder)
        except BaseException:
            self._disk.remove_tree(draft)
            self._remove_empty()
            raise
        self._disk.sync_folder(self._folder.parent)
        say(f"unpacked {self._folder}")
        return True

    async def _try(self, draft: Path) -> None:
        tried = await self._tools.run((f"{draft}/bin/python3", "-I", "-c", _TRIED))
        if tried.code != 0:
            raise SetupError(f"this version does not run on this machine: {tried.last}")

    async def _enrol(self, token: str, *, fresh: bool, say: Callable[[str], None]) -> None:
        had_home = self._disk.exists(self._place.home)
        async with self._vacant(say):
            words = ("enroll", self._wish.hub, "--token", "-", *self._wish.enrolment)
            again = ("--again",) if self._wish.again else ()
            answer = await self._agent(self._folder, *words, *again, stdin=f"{token}\n".encode())
            if answer.code != 0:
                self._clean_up(had_home=had_home, fresh=fresh)
                raise SetupError(answer.last)
        say(answer.text.partition("\n")[0])

    def _clean_up(self, *, had_home: bool, fresh: bool) -> None:
        """Take away what a refused line has made."""
        if not had_home:
            self._disk.remove_tree(self._place.home)
        if fresh and self._used() != self._folder.name:
            self._disk.remove_tree(self._folder)
            self._remove_empty()

    @asynccontextmanager
    async def _vacant(self, say: Callable[[str], None]) -> AsyncIterator[None]:
        """Have no daemon in the home, as who runs holds it; one of a service runs again where this comes to nothing."""
        self._tools.outlive_terminal()
        try:
            if self._wish.again:
                await self._end_daemon(say)
            yield
        except BaseException:
            if self._served:
                await self._service("start")
                say("the service runs again, as the runner that it was")
            raise

    async def _end_daemon(self, say: Callable[[str], None]) -> None:
        """Return when it has ended; its bots live on under their shims."""
        if self._served:
            await self._service("stop")
        if self._tools.is_held(self._place.home):  # somebody runs it by other means
            await self._agent(self._place.current if self._used() else self._folder, "stop")
            say(f"stopped the runner of {self._place.home}, which is no service: whoever started it starts it again")
        for _ in range(_HELD_TRIES):
            if not self._tools.is_held(self._place.home):
                return
            await self._tools.wait()
        raise AgentError(f"the runner of {self._place.home} does not end: stop it and paste the line again")

    # --- put to work -------------------------------------------------------------------------------------------------

    async def _serves(self) -> bool:
        """Whether a service runs here."""
        if not self._used():
            return False
        answer = await self._service("status", "--json")
        return answer.code in {EXIT_LINKED, EXIT_NOT_LINKED}

    async def _put_to_work(self, say: Callable[[str], None]) -> None:
        before = self._used()
        is_new = before != self._folder.name
        self._tools.outlive_terminal()
        try:
            if is_new and before and (self._served or self._wish.with_service):
                # It must not meet its successor's modules halfway; its bots live on under their shims.
                await self._service("stop")
            self._point(self._folder.name)
            self._link_command()
            if not self._wish.with_service:
                await self._leave_as_it_was(say)
                return
            await self._serve(say)
        except BaseException:
            if is_new and before and self._disk.exists(self._place.version(before)):
                await self._give_back(before, say)
            raise
        self._prune({self._folder.name, before})
        await self._doctor(say)

    async def _leave_as_it_was(self, say: Callable[[str], None]) -> None:
        """What is asked for is no service: one that ran goes on, and none is made."""
        if not self._served:
            say(f"to start it: {self._place.command} run --home {self._place.home}")
            return
        answer = await self._service("start")
        if answer.code != 0:
            raise AgentError(answer.last)
        say("the service that was here runs on")

    async def _give_back(self, before: str, say: Callable[[str], None]) -> None:
        if self._served or self._wish.with_service:
            await self._service("stop")
        self._point(before)
        if self._wish.with_service:
            await self._service("install")
        elif self._served:
            await self._service("start")
        say(f"gave the place back to {before}")

    async def _serve(self, say: Callable[[str], None]) -> None:
        """Have the service installed, started and linked."""
        answer = await self._service("install")
        if answer.code != 0:
            raise AgentError(answer.last)
        for line in answer.text.splitlines():
            say(line)
        ended = 0
        for _ in range(_LINK_TRIES):
            answer = await self._service("status", "--json")
            if answer.code == EXIT_LINKED:
                say(f"linked to {self._wish.hub}")
                return
            # It was ready when its manager said so: what is gone now will not come back by itself.
            ended = ended + 1 if answer.code == EXIT_NOT_RUNNING else 0
            if ended == _ENDED_TRIES:
                break
            await self._tools.wait()
        problem = _member(answer.text, "problem") or _member(answer.text, "state") or answer.last
        raise _NoLinkError(f"the runner does not get its link: {problem}; {self._place.command} doctor says more")

    async def _service(self, word: str, *options: str) -> Answer:
        mode = ("--mode", self._place.mode.value)
        return await self._agent(self._place.current, "service", word, *mode, *options)

    async def _doctor(self, say: Callable[[str], None]) -> None:
        """Tell what the doctor does not like; a runner it is all the same."""
        # As who runs the daemon: root may do everything, and so can't tell.
        owner = _owner(self._place.home) if self._place.mode is Mode.SERVICE else "root"
        who = () if owner == "root" else ("runuser", "-u", owner, "--")
        argv = (f"{self._place.current}/bin/python3", "-I", "-m", "agent", "doctor", "--json")
        answer = await self._tools.run((*who, *argv, "--home", str(self._place.home)))
        with suppress(ValueError, KeyError, TypeError):
            checks = json.loads(answer.text)["checks"]
            doubts = [one for one in checks if one["verdict"] != "fine"]
            for one in doubts:
                remedy = f" -> {one['remedy']}" if one["remedy"] else ""
                say(f"doctor: {one['check']}: {one['finding']}{remedy}")
            if not doubts:
                say(f"doctor: {len(checks)} checks, all is well")

    def _used(self) -> str:
        """The version that `current` points at; empty where there is none."""
        try:
            return self._place.current.readlink().name
        except OSError:
            return ""

    def _point(self, version: str) -> None:
        """In one step: whoever dies here leaves the old one or the new one."""
        draft = self._place.prefix / "current.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path("versions") / version)
        draft.replace(self._place.current)
        self._disk.sync_folder(self._place.prefix)

    def _link_command(self) -> None:
        command, target = self._place.command, self._place.current / "bin" / NAME
        command.parent.mkdir(parents=True, exist_ok=True)
        if command.is_symlink() or not command.exists():
            command.unlink(missing_ok=True)
            command.symlink_to(target)

    def _prune(self, kept: set[str]) -> None:
        """Versions before the last one: no daemon of them runs, and shims have read all that they need."""
        versions = self._place.prefix / "versions"
        for name in self._disk.names(versions):
            if name not in kept:
                self._disk.remove_tree(versions / name)

    def _remove_empty(self) -> None:
        for folder in (self._place.prefix / "versions", self._place.prefix):
            with suppress(OSError):
                folder.rmdir()

    async def _agent(self, version: Path, *words: str, stdin: bytes = b"") -> Answer:
        argv = (f"{version}/bin/python3", "-I", "-m", "agent", *words, "--home", str(self._place.home))
        return await self._tools.run(argv, stdin)


def _member(text: str, name: str) -> str:
    try:
        return str(json.loads(text)[name] or "")
    except (ValueError, KeyError, TypeError):
        return ""


def _owner(path: Path) -> str:
    if sys.platform == "win32":
        return "root"
    return path.owner()


def _sync() -> None:
    if sys.platform != "win32":
        os.sync()


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
