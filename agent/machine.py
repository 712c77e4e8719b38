"""Which machine this is: its fingerprint, its boot, its platform. Nothing that docks counts (`core.md` D8)."""

import hashlib
import platform
import re
import sys
from pathlib import Path
from typing import Protocol

_MACHINE_ID = Path("/etc/machine-id")
_PRODUCT_UUID = Path("/sys/class/dmi/id/product_uuid")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PART = re.compile(r"(os|product):([0-9a-f]{32})")


class Machine(Protocol):
    """Which machine this is; the simulator has its own."""

    def fingerprint(self) -> str:
        """What is told of it in `hello`, and what a home remembers."""
        ...

    def boot_id(self) -> str:
        """What is another text after each boot."""
        ...

    def describe(self) -> dict[str, str]:
        """What the hub shows of it."""
        ...


class SystemMachine:
    """This one."""

    def fingerprint(self) -> str:
        """What is told of it in `hello`, and what a home remembers."""
        return fingerprint()

    def boot_id(self) -> str:
        """What is another text after each boot."""
        return boot_id()

    def describe(self) -> dict[str, str]:
        """What the hub shows of it."""
        return describe()


def fingerprint() -> str:
    """``os:<digest> product:<digest>`` of what can be read; a part may be missing (containers, plain users)."""
    parts = {"os": _os_machine_id(), "product": _read(_PRODUCT_UUID) if sys.platform == "linux" else ""}
    return " ".join(f"{name}:{_digest(name, value)}" for name, value in parts.items() if value)


def same_machine(known: str, now: str) -> bool:
    """False when a part that both name differs. What only one could read (another user, a container) says nothing."""
    before, after = dict(_PART.findall(known)), dict(_PART.findall(now))
    return all(after.get(name, digest) == digest for name, digest in before.items())


def boot_id() -> str:
    """What is another text after each boot."""
    if sys.platform == "linux":
        return _read(_BOOT_ID)
    import psutil

    return f"{psutil.boot_time():.0f}"


def describe() -> dict[str, str]:
    """What the hub shows of the machine, and what its labels start with."""
    return {
        "os": sys.platform,
        "machine": platform.machine().lower(),
        "python": platform.python_version(),
        "host": platform.node(),
    }


def _digest(name: str, value: str) -> str:
    # Hashed with a name of ours: /etc/machine-id must not be told to others as it stands (machine-id(5)).
    return hashlib.sha256(f"botyard {name} {value}".encode()).hexdigest()[:32]


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


if sys.platform == "win32":
    import winreg

    def _os_machine_id() -> str:
        place = r"SOFTWARE\Microsoft\Cryptography"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
        except OSError:
            return ""

elif sys.platform == "darwin":
    import ctypes

    class _TimeSpec(ctypes.Structure):
        _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    def _os_machine_id() -> str:
        raw = ctypes.create_string_buffer(16)
        wait = _TimeSpec(1, 0)
        failed = ctypes.CDLL(None).gethostuuid(raw, ctypes.byref(wait))
        return "" if failed else raw.raw.hex()

else:

    def _os_machine_id() -> str:
        return _read(_MACHINE_ID)
