"""The verdict on an order: `started` or `void`, decided once, by whoever links the file first (core.md D1).

    shim:   age of the permit (D3) > link `started` > fsync folder > exec
    daemon: link `void` when it gives an order up > fsync folder > say "never started"

Both write a finished, synced file and `link(2)` it to the name `verdict`; then both read back what stands there. The
nonce inside tells who won; the return code of link does not count. A verdict never changes. "Never started" may be
said only when `link_void` has returned a verdict of kind `void`; of a file that cannot be read (a flipped bit) nobody
may say it.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from agent.checked import DamagedError, seal, unseal
from agent.ports.clock import Clock
from agent.ports.files import Disk
from agent.shim.order import ShimOrder, Stamp, wall_ns
from agent.wire.words import VoidReason

VERDICT_NAME = "verdict"
VERDICT_VERSION = 1
READABLE_VERSIONS = frozenset({1})


class VerdictError(ValueError):
    """The file `verdict` holds nothing that this program can read."""


class VerdictKind(StrEnum):
    """What became of an order."""

    STARTED = "started"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What stands in the file. `nonce` is the order's for `started`; `wall_ns` and `boot_ns` tell when it was written.

    `pid` and `start` are the shim's (`agent.process.same_process`), 0 and "" when the daemon wrote it. `fence` is the
    order's, for a daemon that can't read the order any more.
    """

    kind: VerdictKind
    nonce: str
    wall_ns: int
    boot_ns: int
    reason: VoidReason | None = None
    message: str = ""
    pid: int = 0
    start: str = ""
    fence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictDesk:
    """Where verdicts are written: disk and clock of this machine."""

    disk: Disk
    clock: Clock

    def link_started(self, order: ShimOrder, pid: int, start: str) -> Verdict:
        """Try to make `order` started; return the verdict that holds, which may be somebody's `void`.

        A permit that is too old, or whose clocks went backwards, is voided as `stale` instead. The age is read as the
        last thing before the link (D3).
        """
        folder = Path(order.folder)
        now = Stamp.of(self.clock)
        age_s = order.permit.age_s(now)
        if age_s is None or age_s > order.permit_age_max_s:
            told = "a clock went backwards" if age_s is None else f"{age_s:.1f} s old"
            return self.link_void(folder, VoidReason.STALE, told)
        mine = Verdict(
            kind=VerdictKind.STARTED,
            nonce=order.nonce,
            wall_ns=now.wall_ns,
            boot_ns=now.boot_ns,
            pid=pid,
            start=start,
            fence=order.fence,
        )
        return self._link(folder, mine)

    def link_void(self, folder: Path, reason: VoidReason, message: str = "") -> Verdict:
        """Try to make the order of `folder` void; return the durable verdict that holds, which may be `started`."""
        mine = Verdict(
            kind=VerdictKind.VOID,
            nonce=secrets.token_hex(16),
            wall_ns=wall_ns(self.clock.now()),
            boot_ns=self.clock.boot_ns(),
            reason=reason,
            message=message,
        )
        return self._link(folder, mine)

    def read(self, folder: Path) -> Verdict | None:
        """Return the verdict in `folder`, made durable before it is returned, or None when there is none yet."""
        data = self.disk.read(folder / VERDICT_NAME)
        if data is None:
            return None
        self.disk.sync_folder(folder)
        return _unsealed(data)

    def _link(self, folder: Path, mine: Verdict) -> Verdict:
        return _unsealed(self.disk.link_exclusive(folder / VERDICT_NAME, seal(encode_verdict(mine))))


def _unsealed(data: bytes) -> Verdict:
    try:
        return decode_verdict(unseal(data))
    except DamagedError as error:
        raise VerdictError(f"the verdict is damaged: {error}") from error


def encode_verdict(verdict: Verdict) -> bytes:
    """One line of JSON."""
    return (json.dumps({"version": VERDICT_VERSION, **asdict(verdict)}) + "\n").encode()


def decode_verdict(data: bytes) -> Verdict:
    """Read a verdict; raises `VerdictError`. Unknown fields of a readable version are ignored."""
    try:
        body = json.loads(data)
        _check_version(body["version"])
        return Verdict(
            kind=VerdictKind(body["kind"]),
            nonce=str(body["nonce"]),
            wall_ns=int(body["wall_ns"]),
            boot_ns=int(body["boot_ns"]),
            reason=VoidReason(body["reason"]) if body["reason"] else None,
            message=str(body["message"]),
            pid=int(body["pid"]),
            start=str(body["start"]),
            fence=int(body.get("fence", 0)),
        )
    except VerdictError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerdictError(f"not a verdict: {error}") from error


def _check_version(version: object) -> None:
    if version not in READABLE_VERSIONS:
        raise VerdictError(f"verdict version {version}")
