"""A line to another network, made of namespaces: one that can fall silent, go deaf one way, lose packets, or crawl.

::

    hub's machine  --veth--  a router in a namespace  --veth--  a namespace for the runner
                             (nftables drops in its forward chain, tbf on both ways out)

Packets are dropped on the way, as a broken network does: writes keep succeeding at both ends (R42).
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pytest

_NUMBERS = itertools.count(os.getpid() % 60 * 4)
_TABLE = "inet line"


@dataclass(frozen=True, slots=True, kw_only=True)
class FarLine:
    """See the module. `net` prefixes of a command put it at the far end."""

    number: int

    @property
    def hub_address(self) -> str:
        """Where the far end finds what listens on all addresses here."""
        return f"10.213.{self.number}.1"

    @property
    def prefix(self) -> list[str]:
        """Put before a command, it runs at the far end; its process id is the command's own."""
        return ["nsenter", f"--net=/run/netns/{self._far}", "--"]

    def cut(self, *, to_hub: bool = True, from_hub: bool = True) -> None:
        """Drop everything on these ways, silently."""
        self.heal()
        for way, device in (to_hub, "far"), (from_hub, "near"):
            if way:
                self._rule(f"iifname {device} drop")

    def lose(self, tenths: int) -> None:
        """Drop so many of every ten packets to the hub, up to five, and never two running.

        Neither at random nor both ways: a packet that is sent again, and its acknowledgement, would be lost several
        times running now and then, TCP waits twice as long after each, and soon the line is as good as cut (R42).
        """
        self.heal()
        dropped = ", ".join(f"{2 * index} : drop" for index in range(tenths))
        self._rule(f"iifname far numgen inc mod 10 vmap {{ {dropped} }}")

    def slow(self, kbit: int) -> None:
        """Let no more through than that, each way."""
        for device in ("near", "far"):
            _run(
                *("tc", "-n", self._router, "qdisc", "replace", "dev", device, "root"),
                *("tbf", "rate", f"{kbit}kbit", "burst", "4kb", "latency", "400ms"),
            )

    def hurry(self) -> None:
        """Be as fast as before."""
        for device in ("near", "far"):
            _run("tc", "-n", self._router, "qdisc", "del", "dev", device, "root")

    def heal(self) -> None:
        """Let everything through again."""
        self._nft(f"flush chain {_TABLE} way")

    # --- making it ---

    @property
    def _router(self) -> str:
        return f"botyard-router-{self.number}"

    @property
    def _far(self) -> str:
        return f"botyard-far-{self.number}"

    def make(self) -> None:
        """Make the namespaces and the line. Raises CalledProcessError where that is not allowed."""
        net, here = f"10.213.{self.number}", f"botyard{self.number}"
        _run("ip", "netns", "add", self._router)
        _run("ip", "netns", "add", self._far)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", "near", "netns", self._router)
        pair = ("type", "veth", "peer", "name", "out", "netns", self._far)
        _run("ip", "-n", self._router, "link", "add", "far", *pair)
        for place, device, address in (
            (None, here, f"{net}.1/30"),
            (self._router, "near", f"{net}.2/30"),
            (self._router, "far", f"{net}.5/30"),
            (self._far, "out", f"{net}.6/30"),
        ):
            at = ("-n", place) if place else ()
            _run("ip", *at, "address", "add", address, "dev", device)
            _run("ip", *at, "link", "set", device, "up")
        _run("ip", "-n", self._far, "link", "set", "lo", "up")
        _run("ip", "route", "add", f"{net}.4/30", "via", f"{net}.2")
        _run("ip", "-n", self._far, "route", "add", "default", "via", f"{net}.5")
        _run("nsenter", f"--net=/run/netns/{self._router}", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self._nft(f"add table {_TABLE}; add chain {_TABLE} way {{ type filter hook forward priority 0; }}")

    def remove(self) -> None:
        """Remove all of it; whatever is not there is not missed."""
        for name in (self._far, self._router):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _rule(self, rule: str) -> None:
        self._nft(f"add rule {_TABLE} way {rule}")

    def _nft(self, commands: str) -> None:
        _run("nsenter", f"--net=/run/netns/{self._router}", "nft", commands)


@contextmanager
def far_line() -> Iterator[FarLine]:
    """A line, removed when the block ends. Skips the test where none can be made."""
    if (reason := why_no_line()) is not None:
        pytest.skip(reason)
    line = FarLine(number=next(_NUMBERS) % 250)
    try:
        line.make()
        yield line
    finally:
        line.remove()


@cache
def why_no_line() -> str | None:
    """Why this machine makes no such lines, or None."""
    if sys.platform != "linux":
        return "no network namespace may be made here: not Linux"
    missing = [tool for tool in ("ip", "tc", "nft", "nsenter") if shutil.which(tool) is None]
    if missing:
        return f"this machine has no {', '.join(missing)}"
    line = FarLine(number=251)
    try:
        line.make()
        line.lose(1)
        line.slow(64)
    except subprocess.CalledProcessError as error:
        return f"no network namespace may be made here: {error.stderr.decode(errors='replace').strip()[:100]}"
    finally:
        line.remove()
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)
