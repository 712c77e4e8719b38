"""What a shim is told: one frozen value, given once, with everything it needs to outlive the daemon.

An order travels as JSON with a version. Decoding is strict: another version, a missing or an unknown field is an
`OrderError`, because zygote and daemon are always of the same installation; a mismatch is a bug, not an old peer.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from agent.ports.clock import Clock
from agent.shim.bounds import Bounds
from agent.wire.words import OnDisconnect

ORDER_VERSION = 1
PERMIT_AGE_MAX_S = 30.0
"""core.md D3."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OrderError(ValueError):
    """These bytes are not an order of this version."""


class Role(StrEnum):
    """What a descriptor that comes with an order is for."""

    FOLDER = "folder"
    """The execution's folder, open as a directory."""
    GATEWAY = "gateway"
    """A copy of the gateway's listening socket, kept for the next daemon (core.md §6)."""
    CGROUP = "cgroup"
    """`cgroup.procs` of the bot's group, open for writing; the shim itself never stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One moment by both clocks of core.md D3."""

    boot_ns: int
    wall_ns: int

    @classmethod
    def of(cls, clock: Clock) -> "Stamp":
        """Read both clocks now."""
        return cls(boot_ns=clock.boot_ns(), wall_ns=wall_ns(clock.now()))

    def age_s(self, now: "Stamp") -> float | None:
        """Return the larger of both elapsed times, or None when either clock went backwards (then: refuse)."""
        boot = now.boot_ns - self.boot_ns
        wall = now.wall_ns - self.wall_ns
        if boot < 0 or wall < 0:
            return None
        return max(boot, wall) / 1e9


def wall_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware time, exact to its microsecond."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderTimes:
    """Seconds between the steps that end a bot (core.md §4, clocks)."""

    interrupt_after_s: float = 10.0
    """From a cancel to SIGINT; every other cause sends it at once."""
    terminate_after_s: float = 10.0
    kill_after_s: float = 5.0
    survivors_after_s: float = 10.0
    drain_s: float = 5.0
    """How long pipes are read on when the tree is empty and somebody outside still holds them (R33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """The other OS user that a bot runs as (S17)."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimOrder:
    """Everything about one execution that its shim must know.

    `nonce` is random, made for this order: it decides who won the verdict, and opens the shim's socket.
    `folder` is the execution's folder, `cwd` the bot's; both absolute. `env` is the bot's whole environment.
    `masks` are the exact secret byte strings; their encodings are found by `agent.masking`.
    `permit` was stamped by this machine's clock when the credit was given out, `heartbeat` when the heartbeat was sent
    that the hub acknowledged last; it is needed for `on_disconnect = stop` only.
    `rlimits` maps names of `resource.RLIMIT_*` without that prefix to (soft, hard); -1 is "no limit".
    `cgroup` is the folder of the bot's group, for killing; the descriptor with role `cgroup` is for entering it.
    `groups` are the folders of the groups that limit it, by controller; the child enters those that are not `cgroup`.
    `output_cap_bytes` is its share of the runner's disk for output that the hub does not have, `keep_free_bytes` what
    its output leaves free there.
    `lines` false: the bot's `::x::` lines are only text.
    `bounds` are watched by the shim; `cpus` are the only ones that the bot may run on, empty for all.
    """

    execution_id: str
    fence: int
    nonce: str
    folder: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    permit: Stamp
    permit_age_max_s: float = PERMIT_AGE_MAX_S
    masks: tuple[bytes, ...] = ()
    lines: bool = True
    run_limit_s: float | None = 24 * 3600.0
    ladder: LadderTimes = field(default_factory=LadderTimes)
    on_disconnect: OnDisconnect = OnDisconnect.KEEP
    lost_after_s: float = 600.0
    heartbeat: Stamp | None = None
    no_progress_s: float | None = None
    bounds: Bounds = field(default_factory=Bounds)
    cgroup: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    output_cap_bytes: int = 1024**3
    keep_free_bytes: int = 0
    run_as: RunAs | None = None
    descriptors: tuple[Role, ...] = ()
    comes_back: bool = False
    """Whether the daemon takes the shim back for another order when this one's bot has left nothing behind."""


def encode_order(order: ShimOrder) -> bytes:
    """JSON bytes of an order; they hold its secrets."""
    body: dict[str, Any] = {each.name: getattr(order, each.name) for each in fields(order)}
    body["masks"] = [b64encode(mask).decode() for mask in order.masks]
    body["env"] = dict(order.env)
    body["rlimits"] = {name: list(pair) for name, pair in order.rlimits.items()}
    body["permit"] = _plain(order.permit)
    body["heartbeat"] = _plain(order.heartbeat)
    body["ladder"] = _plain(order.ladder)
    body["bounds"] = _plain(order.bounds)
    body["groups"] = dict(order.groups)
    body["run_as"] = _plain(order.run_as)
    return json.dumps({"version": ORDER_VERSION, "order": body}, separators=(",", ":")).encode()


def decode_order(data: bytes) -> ShimOrder:
    """Read an order; raises `OrderError` for anything that is not exactly one of this version."""
    try:
        envelope = json.loads(data)
        body = dict(envelope["order"])
        _check_shape(envelope["version"], set(body))
        order = _from_plain(body)
    except OrderError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OrderError(f"not an order: {error}") from error
    _check(order)
    return order


def _from_plain(body: dict[str, Any]) -> ShimOrder:
    body["argv"] = tuple(str(word) for word in body["argv"])
    body["env"] = {str(name): str(value) for name, value in body["env"].items()}
    body["masks"] = tuple(b64decode(mask, validate=True) for mask in body["masks"])
    body["permit"] = Stamp(**body["permit"])
    body["heartbeat"] = Stamp(**body["heartbeat"]) if body["heartbeat"] else None
    body["ladder"] = LadderTimes(**body["ladder"])
    body["bounds"] = read_bounds(body["bounds"])
    body["groups"] = {str(name): str(folder) for name, folder in body["groups"].items()}
    body["cpus"] = tuple(int(cpu) for cpu in body["cpus"])
    body["on_disconnect"] = OnDisconnect(body["on_disconnect"])
    body["rlimits"] = {str(name): (int(soft), int(hard)) for name, (soft, hard) in body["rlimits"].items()}
    if body["run_as"]:
        body["run_as"] = RunAs(**{**body["run_as"], "groups": tuple(body["run_as"]["groups"])})
    body["descriptors"] = tuple(Role(role) for role in body["descriptors"])
    return ShimOrder(**body)


def read_bounds(body: Mapping[str, Any]) -> Bounds:
    """Read bounds as they stand in an order and in a request. Raises TypeError, ValueError."""
    return Bounds(**{**body, "kept": tuple(str(name) for name in body["kept"])})


def _check_shape(version: object, names: set[str]) -> None:
    if version != ORDER_VERSION:
        raise OrderError(f"order version {version}, this shim speaks {ORDER_VERSION}")
    expected = {each.name for each in fields(ShimOrder)}
    if names != expected:
        raise OrderError(f"order fields differ: {sorted(names ^ expected)}")


def _check(order: ShimOrder) -> None:
    if not order.argv or not Path(order.folder).is_absolute():
        raise OrderError("an order needs a command and an absolute folder")
    if len(order.nonce) < 16:
        raise OrderError("an order needs a nonce")
    if order.on_disconnect is OnDisconnect.STOP and order.heartbeat is None:
        raise OrderError("on_disconnect = stop needs the stamp of a heartbeat")


def _plain(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    return {each.name: getattr(value, each.name) for each in fields(value)}
