"""The home: is it a runner's, whose is it, does its disk keep what is written, who has its lock?"""

import asyncio
import os
import secrets
import stat
import sys
from pathlib import Path

from agent.config import Settings
from agent.doctor.checks.daemon import DaemonFacts
from agent.doctor.checks.disk import DiskFacts
from agent.doctor.checks.home import HomeFacts
from agent.doctor.checks.rights import RightsFacts
from agent.doctor.ports import Ports
from agent.errors import AgentError, of_system
from agent.folders import Folders
from agent.home import Home, Membership, is_held, read_membership
from agent.key_keeping import open_key
from agent.machine import same_machine
from agent.output_room import kept_free
from agent.ports.files import Disk

_TRIAL_BYTES = 64 * 1024
_ANSWER_S = 5.0


def look_at_home(path: Path, ports: Ports) -> tuple[HomeFacts, Membership | None]:
    """The folder and what enrolment left in it; the membership where a daemon could start."""
    try:
        if not path.exists():
            return HomeFacts(path=path, exists=False), None
        if not path.is_dir():
            return HomeFacts(path=path, is_folder=False), None
        membership = read_membership(path, ports.disk)
        if not same_machine(Home(path, ports.disk, None).fingerprint(), ports.machine.fingerprint()):
            other = f"{path} belongs to another machine; to make this one a runner: botyard-agent enroll --again"
            return HomeFacts(path=path, problem=other), None
        kept = ports.disk.read(path / "key")
        key = None if kept is None else open_key(kept)
    except AgentError as error:
        return HomeFacts(path=path, problem=str(error)), None
    except OSError as error:
        return HomeFacts(path=path, problem=str(of_system(error, path))), None
    if key is None or len(key) != 32:
        damaged = f"{path / 'key'} is missing or damaged: enrol again with --again"
        return HomeFacts(path=path, problem=damaged), None
    return HomeFacts(path=path, runner=membership.name, hub=membership.hub_url), membership


if sys.platform == "win32":

    def look_at_rights(path: Path) -> RightsFacts:
        """Modes say nothing there; lists of access are for a person to read."""
        remedy = f"icacls {path}: only SYSTEM, Administrators and the runner's user belong there"
        return RightsFacts(home=path, why_unknown="Windows keeps rights in access lists", remedy_unknown=remedy)

else:
    import pwd

    def look_at_rights(path: Path) -> RightsFacts:
        """Owner and modes of home and key."""
        try:
            seen = path.stat()
            key = path / "key"
            key_mode = stat.S_IMODE(key.lstat().st_mode) if key.exists() else None
        except OSError as error:
            return RightsFacts(home=path, why_unknown=f"the home can't be looked at: {_said(error)}")
        user = os.geteuid()
        return RightsFacts(
            home=path,
            owner=_name_of(seen.st_uid),
            user=_name_of(user),
            is_owner=user == seen.st_uid,
            is_root=user == 0,
            home_mode=stat.S_IMODE(seen.st_mode),
            key_mode=key_mode,
        )

    def _name_of(user: int) -> str:
        try:
            return pwd.getpwuid(user).pw_name
        except KeyError:
            return f"user {user}"


def look_at_disk(path: Path, settings: Settings, ports: Ports) -> DiskFacts:
    """Write, sync, read back and link in a folder of our own, which is gone afterwards."""
    disk, folder, data = ports.disk, path / f"doctor-{secrets.token_hex(4)}", os.urandom(_TRIAL_BYTES)
    began_s = ports.clock.monotonic()
    try:
        if not path.is_dir():
            return DiskFacts(why_unknown="there is no home to write to")
        disk.make_new_folder(folder)
        try:
            disk.write_durable(folder / "trial", data)
            reads_back = disk.read(folder / "trial") == data
            took_s = ports.clock.monotonic() - began_s
            links_exclude = _links_exclude(folder, disk)
        finally:
            disk.remove_tree(folder)
        total = disk.total_bytes(path)
        return DiskFacts(
            reads_back=reads_back,
            links_exclude=links_exclude,
            took_s=took_s,
            free_bytes=disk.free_bytes(path),
            total_bytes=total,
            keep_free_bytes=kept_free(settings.allowance(), total),
        )
    except OSError as error:
        return DiskFacts(refused=_said(error))


def _links_exclude(folder: Path, disk: Disk) -> bool:
    first = disk.link_exclusive(folder / "verdict", b"first")
    return (first, disk.link_exclusive(folder / "verdict", b"second")) == (b"first", b"first")


async def look_at_daemon(path: Path, ports: Ports) -> tuple[DaemonFacts, dict[str, object]]:
    """The lock, and what the daemon says of itself (empty where it does not)."""
    control = Folders(home=path).control
    try:
        held, has_socket = is_held(path), control.is_socket()
    except OSError as error:
        return DaemonFacts(control=control, why_unknown=f"the home's lock can't be looked at: {_said(error)}"), {}
    if not held:
        return DaemonFacts(control=control, has_socket=has_socket), {}
    if sys.platform == "win32":
        return DaemonFacts(control=control, is_held=True, can_be_asked=False), {}
    try:
        async with asyncio.timeout(_ANSWER_S):
            said = await ports.ask(control, "status")
    except (AgentError, TimeoutError, OSError, ValueError):
        return DaemonFacts(control=control, is_held=True, has_socket=has_socket), {}
    version = str(said.get("version", "not told"))
    unfit = tuple(map(str, said.get("unfit", ())))
    return DaemonFacts(control=control, is_held=True, answers=True, version=version, unfit=unfit), said


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
