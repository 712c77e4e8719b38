"""The runner's home folder: who it is, which machine it stands on, and the counters that make absence a proof.

| file | what | durable when |
|---|---|---|
| `identity.json` | hub (address, id, key), runner id, workspace, name | enrolment |
| `key` | Ed25519 private key, raw, 0600; Windows: sealed | enrolment, before `identity.json` |
| `home` | home id, fingerprint of the machine | enrolment |
| `lock` | held by the one daemon (or enrolment) of this home | – |
| `join` | the join counter: n+1 is synced before `hello` says it (`core.md` D8) | each connection |
| `epoch` | the last session's epoch, synced before its first frame (D5) | each session |
| `starts` | how often a daemon took up the spool, which counts it too: an older copy of the spool shows | each start |

A home that was copied to another machine, or that lies on a disk where an exclusive link does not exclude, ends the
daemon with 78: nothing is voided by it.
"""

import errno
import json
import os
import secrets
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from agent.config import remember
from agent.errors import AgentError, SetupError, of_system
from agent.key_keeping import open_key, seal_key
from agent.machine import Machine, SystemMachine, same_machine
from agent.ports.files import Disk

NAMES = frozenset({
    *("identity.json", "key", "home", "lock", "join", "epoch", "starts", "spool.db", "spool.reserve"),
    *("agent.toml", "ca.pem", "control", "gateway-port", "executions", "uploads", "desktops", "logs"),
    *("builds", "files", "prepared", "envs", "node", "spares", "tools", "t", "probe"),
})  # fmt: skip
"""All that a runner makes in its home: a purge removes no folder in which anything else lies."""
_ENROLLED = frozenset({"home", "key"})
"""Both are there from before the enrolment on."""
_STARTED_OVER = ("identity.json", "spool.db", "spool.db-wal", "spool.db-shm")
"""What may not speak for another runner, beside its executions."""
_FORMAT = 1
_ROOM_BYTES = 64 * 1024
"""More than the key and the facts of an enrolment take."""
_DAEMONS_OWN = ("identity.json", "key", "home", "epoch", "join", "starts", "spool.db")
_LOCKED = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What a system says of a lock that another process holds."""
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors that say nothing of links: whoever restarts the daemon tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What enrolment made: this home's place at one hub."""

    hub_url: str
    hub_id: str
    hub_key: str
    runner_id: str
    workspace: str
    name: str
    slots: int
    insecure: bool = False
    """True when plain http to another machine was allowed at enrolment."""


class Home:
    """One home folder, locked for as long as the process lives. Make it with `Home.lock`; without a lock to read it."""

    def __init__(self, path: Path, disk: Disk, lock: IO[bytes] | None, machine: Machine | None = None) -> None:
        self.path = path
        self._machine = machine or SystemMachine()
        self._disk = disk
        self._lock = lock

    @classmethod
    def lock(cls, path: Path, disk: Disk) -> "Home":
        """Make the folder where it is missing and take its lock. Raises AgentError when another process holds it."""
        path = path.absolute()
        if path == path.parent:
            raise SetupError(f"{path} is the root of a disk: give --home a folder of the runner's own")
        disk.make_folder(path)
        file = (path / "lock").open("ab")
        try:
            _take_lock(file)
        except OSError:
            file.close()
            raise AgentError(
                f"another botyard-agent runs in {path}: stop that one, or give this one a --home of its own"
            ) from None
        return cls(path, disk, file)

    @classmethod
    def of_runner(cls, path: Path, disk: Disk) -> "Home":
        """As `lock`, of a folder that is a runner's already. Raises SetupError where none is, and leaves nothing."""
        with suppress(OSError):  # `check_rights` says what to do
            read_membership(path, disk)
        return cls.lock(path, disk)

    def release(self) -> None:
        """Let the next process in."""
        if self._lock is not None:
            self._lock.close()

    # --- identity ----------------------------------------------------------------------------------------------------

    @property
    def is_enrolled(self) -> bool:
        """Whether a hub knows this home."""
        return self._disk.exists(self.path / "identity.json")

    def membership(self) -> Membership:
        """Who this runner is. Raises SetupError where nobody enrolled it, or the file is not readable."""
        return read_membership(self.path, self._disk)

    def private_key(self) -> bytes:
        """The raw private key. Raises SetupError where it is missing."""
        kept = self._disk.read(self.path / "key")
        key = None if kept is None else open_key(kept)
        if key is None or len(key) != 32:
            raise SetupError(f"{self.path / 'key'} is missing or damaged: enrol again with --again")
        return key

    def introduction(self) -> tuple[str, str]:
        """What a hub is told that is to enrol this home: (a fresh home id, fingerprint). Nothing is written."""
        return secrets.token_hex(16), self._machine.fingerprint()

    def check_place(self) -> None:
        """Before a token is used up: `start_over` will remove nothing that no runner made. Raises SetupError."""
        names = self._disk.names(self.path)
        held = [name for name in ("executions", *_STARTED_OVER) if name in names]
        if held and not is_runners_folder(names):
            raise SetupError(
                f"{self.path} is no runner's folder, and enrolment would remove its {held[0]}: "
                "give --home another folder, or move that elsewhere"
            )

    def find_room(self) -> None:
        """Before a token is used up: what enrolment is going to write has room here. Raises OSError."""
        self._disk.write_durable(self.path / "room", bytes(_ROOM_BYTES))
        self._disk.remove(self.path / "room")

    def prepare(self, private_key: bytes, home_id: str, fingerprint: str) -> None:
        """The hub has said yes: keep the new key and what the hub was told of this home."""
        self._disk.write_durable(self.path / "key", seal_key(private_key, self.path))
        self._write("home", {"home_id": home_id, "fingerprint": fingerprint})
        self._disk.write_durable(self.path / "join", b"0")
        self._disk.write_durable(self.path / "epoch", b"0")
        self._disk.write_durable(self.path / "starts", b"0")

    def start_over(self) -> None:
        """Before a new key is kept: nothing of the runner that this home was may speak for the new one.

        Executions and their facts go; files, builds and environments are named by their content, and stay.
        """
        for name in _STARTED_OVER:
            self._disk.remove(self.path / name)
        self._disk.remove_tree(self.path / "executions")
        self._disk.sync_folder(self.path)

    def join_hub(self, membership: Membership) -> None:
        """After enrolment: from here on this home is a runner."""
        self._write("identity.json", asdict(membership))

    def keep_authority(self, pem: bytes) -> None:
        """Keep a private authority's certificate in the home, and say in ``agent.toml`` that it counts."""
        self._disk.write_durable(self.path / "ca.pem", pem)
        remember(self.path, self._disk, "ca", "ca.pem")

    def home_id(self) -> str:
        """32 hexadecimal digits, made once for this home."""
        return str(self._home()["home_id"])

    def fingerprint(self) -> str:
        """The machine's fingerprint as it was at enrolment."""
        return str(self._home()["fingerprint"])

    # --- checks at start ---------------------------------------------------------------------------------------------

    def check_rights(self) -> None:
        """Raise SetupError for a file of ours that this user may not read and write: root may have left one."""
        for path in (self.path / name for name in _DAEMONS_OWN):
            if path.exists() and not os.access(path, os.R_OK | os.W_OK):
                raise SetupError(f"{path}: permission denied: give {self.path} to the runner's user (chown -R)")

    def check_machine(self) -> None:
        """Raise SetupError when this home was brought from another machine (`core.md` D8)."""
        if not same_machine(self.fingerprint(), self._machine.fingerprint()):
            raise SetupError(
                f"{self.path} belongs to another machine: it may run there. "
                "To make this machine a runner of its own: botyard-agent enroll --again"
            )

    def check_exclusive_link(self) -> None:
        """Raise SetupError where two verdicts could both win (`core.md` D1)."""
        folder = self.path / "probe"
        self._disk.remove_tree(folder)
        try:
            self._disk.make_folder(folder)
            first = self._disk.link_exclusive(folder / "verdict", b"first")
            second = self._disk.link_exclusive(folder / "verdict", b"second")
        except OSError as error:
            if error.errno in _PASSING:
                raise of_system(error, self.path) from error
            raise SetupError(f"{self.path}: this file system has no exclusive link ({error.strerror})") from error
        finally:
            self._disk.remove_tree(folder)
        if (first, second) != (b"first", b"first"):
            raise SetupError(f"{self.path}: an exclusive link does not exclude on this file system")

    # --- counters ----------------------------------------------------------------------------------------------------

    def next_join(self) -> int:
        """The join counter of the next connection, durable on return."""
        number = self._counter("join") + 1
        self._disk.write_durable(self.path / "join", str(number).encode())
        return number

    @property
    def last_epoch(self) -> int:
        """The epoch of the last session that was opened from here."""
        return self._counter("epoch")

    def store_epoch(self, epoch: int) -> None:
        """Make a session's epoch durable, before its first frame is sent."""
        self._disk.write_durable(self.path / "epoch", str(epoch).encode())

    @property
    def starts(self) -> int:
        """How often a daemon took up this home's spool; 0 for a home that never counted."""
        return self._counter("starts") if self._disk.exists(self.path / "starts") else 0

    def store_starts(self, number: int) -> None:
        """Keep it, durable on return."""
        self._disk.write_durable(self.path / "starts", str(number).encode())

    def _counter(self, name: str) -> int:
        data = self._disk.read(self.path / name)
        if data is None or not data.isdigit():
            raise SetupError(f"{self.path / name} is missing or damaged: enrol again with --again")
        return int(data)

    def _home(self) -> dict[str, Any]:
        return _load(self.path / "home", self._disk)

    def _write(self, name: str, body: dict[str, Any]) -> None:
        self._disk.write_durable(self.path / name, json.dumps({"format": _FORMAT, **body}).encode())


def is_runners_folder(names: Collection[str]) -> bool:
    """Whether a folder that holds `names` is a runner's, or was one before an enrolment that was cut off."""
    return "identity.json" in names or set(names) >= _ENROLLED


def read_membership(path: Path, disk: Disk) -> Membership:
    """Who the runner of a home is, without its lock. Raises SetupError where nobody enrolled it."""
    body = _load(path / "identity.json", disk)
    try:
        return Membership(**{name: body[name] for name in Membership.__slots__})
    except KeyError as missing:
        raise SetupError(f"{path / 'identity.json'} lacks {missing}: enrol again with --again") from None


def is_held(path: Path) -> bool:
    """Whether a daemon or an enrolment has a home's lock now; False where nobody ever took one. Raises OSError."""
    try:
        # For a moment it is ours: a daemon that starts just then is started again by its manager (75).
        with (path / "lock").open("rb") as file:
            _take_lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _LOCKED:
            raise
        return True
    return False


def _load(path: Path, disk: Disk) -> dict[str, Any]:
    data = disk.read(path)
    if data is None:
        raise SetupError(f"{path.parent} is no runner yet: botyard-agent enroll URL --token FILE")
    try:
        body = json.loads(data)
    except ValueError:
        raise SetupError(f"{path} is damaged: enrol again with --again") from None
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        raise SetupError(f"{path} was written by another version of botyard-agent")
    return body


if sys.platform == "win32":
    import msvcrt

    def _take_lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take_lock(file: IO[bytes]) -> None:
        # An flock is inherited by fork: the zygote is exec'ed, and every shim closes what it does not need.
        os.set_inheritable(file.fileno(), False)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
