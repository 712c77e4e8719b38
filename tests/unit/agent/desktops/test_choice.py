"""Which desktops the slots get, and every reason why they can't (issue 6: slots more than the machine can hold)."""

from typing import Literal

import pytest

from agent.config import Settings
from agent.desktops.choice import MIB, SERVICE_VARIABLE, Choice, Host, VirtualPlan, choose, desktop_bytes

PROGRAMS = {name: f"/usr/bin/{name}" for name in ("Xvnc", "Xvfb", "openbox", "twm")}
SERVICE = {SERVICE_VARIABLE: "/run/botyard-agent"}


def host(
    *programs: str, platform: str = "linux", environment: dict[str, str] | None = None, memory_mib: int = 4096
) -> Host:
    """A machine with these programs."""
    there = {name: PROGRAMS[name] for name in programs}
    return Host(
        platform=platform,
        environment=environment or {},
        home="/home/me/runner",
        which=there.get,
        memory_bytes=memory_mib * MIB,
    )


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (host("Xvnc"), "none"),
        (host("Xvnc", environment={"DISPLAY": ":0"}), "own"),
        (host(environment={"WAYLAND_DISPLAY": "wayland-0"}), "own"),
        (host("Xvnc", environment=SERVICE), "virtual"),
        (host("Xvfb", environment=SERVICE), "virtual"),
        (host("openbox", environment=SERVICE), "none"),
        (host(platform="win32"), "own"),
        (host(platform="darwin"), "own"),
    ],
)
def test_auto_is_what_the_machine_has(seen: Host, kind: str) -> None:
    """A daemon that somebody starts in a terminal makes no X servers; a service does, where it can."""
    assert (choose(Settings(), 2, seen).kind, choose(Settings(), 2, seen).faults) == (kind, ())


def test_a_virtual_plan_has_the_usual_values_and_the_said_ones() -> None:
    seen = host("Xvnc", "Xvfb", "openbox", "twm")
    usual = choose(Settings(desktops="virtual"), 3, seen)
    plan = VirtualPlan(count=3, program="/usr/bin/Xvnc", server="xvnc", window_manager="/usr/bin/openbox")
    assert usual == Choice(kind="virtual", virtual=plan)
    assert (plan.width, plan.height, plan.dpi) == (1920, 1080, 96)

    said = Settings(
        desktops="virtual",
        desktop_count=1,
        desktop_size="1280x720",
        desktop_dpi=120,
        desktop_server="xvfb",
        window_manager="twm",
    )
    assert choose(said, 3, seen).virtual == VirtualPlan(
        count=1, width=1280, height=720, dpi=120, server="xvfb", program="/usr/bin/Xvfb", window_manager="/usr/bin/twm"
    )
    bare = choose(Settings(desktops="virtual", window_manager="none"), 3, seen).virtual
    assert bare is not None
    assert not bare.window_manager


@pytest.mark.parametrize("desktops", ["none", "own"])
def test_a_count_of_virtual_desktops_where_none_are_made_is_a_contradiction(desktops: Literal["none", "own"]) -> None:
    (fault,) = choose(Settings(desktops=desktops, desktop_count=2), 4, host("Xvnc")).faults
    assert fault == (
        f"settings desktops and desktop_count contradict each other: {desktops}, and 2 virtual ones: "
        "say desktops = virtual, or desktop_count = 0"
    )
    assert not choose(Settings(desktops=desktops, desktop_count=0), 4, host("Xvnc")).faults


def test_every_fault_is_told_at_once_with_what_to_do() -> None:
    said = Settings(desktops="virtual", desktop_count=9, window_manager="twm")
    too_much = (
        "8 bots with 8 virtual desktops of 1920x1080 take at least 894 MiB (32 MiB a bot, 79 MiB a desktop), "
        "and this machine has 512 MiB: say fewer slots, a smaller desktop_count or desktop_size"
    )
    assert [fault.partition(": ")[::2] for fault in choose(said, 8, host(memory_mib=512)).faults] == [
        ("setting desktop_count", "9 desktops for 8 slots: say 8 or fewer, or more slots"),
        ("setting desktops", "virtual ones need Xvnc, which is not here: apt install tigervnc-standalone-server"),
        ("setting window_manager", "twm is not here: apt install twm, or say auto or none"),
        ("setting slots", too_much),
    ]
    odd = choose(Settings(desktops="virtual", desktop_count=2, window_manager="/opt/mywm"), 1, host("Xvnc")).faults
    assert [fault.partition(": ")[2] for fault in odd] == [
        "2 desktops for 1 slot: say 1 or fewer, or more slots",
        "/opt/mywm is not here: install it, mend its name or path, or say auto or none",
    ]
    only = choose(Settings(desktops="virtual", desktop_server="xvfb"), 1, host("Xvnc"))
    assert "apt install xvfb" in only.faults[0]
    assert "on Linux only" in choose(Settings(desktops="virtual"), 1, host(platform="win32")).faults[0]


def test_slots_alone_can_be_too_many_and_a_large_picture_counts() -> None:
    assert "64 bots take at least 2048 MiB" in choose(Settings(), 64, host(memory_mib=2000)).faults[0]
    assert not choose(Settings(), 64, host(memory_mib=2048)).faults
    small, large = VirtualPlan(count=1), VirtualPlan(count=1, width=7680, height=4320)
    assert desktop_bytes(large) - desktop_bytes(small) == 8 * (7680 * 4320 - 1920 * 1080)
