"""Linux, macOS and Windows as facts: from texts that their programs print and calls that a test answers."""

import json
import plistlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.desktops import linux, macos, windows
from agent.desktops.facts import PowerFacts
from agent.ports.tools import ToolCommand, ToolResult


@dataclass
class Programs:
    """A `RunTool` that answers by the program's name; one that it does not know can't be started."""

    texts: dict[str, str]

    async def __call__(self, command: ToolCommand, on_line: object = None) -> ToolResult:
        """What it prints."""
        del on_line
        name = " ".join([Path(command.argv[0]).name, *command.argv[1:]])
        for known, text in self.texts.items():
            if name.startswith(known):
                return ToolResult(exit_code=0, output=text)
        raise FileNotFoundError(2, "No such file or directory")


def ioreg(**session: object) -> str:
    """The root of the registry with one session at the console."""
    users = [{"kCGSSessionOnConsoleKey": True, "kCGSSessionUserNameKey": "robot", **session}] if session else []
    return plistlib.dumps({"IOConsoleLocked": False, "IOConsoleUsers": users}).decode()


PROFILE = json.dumps(
    {
        "SPDisplaysDataType": [
            {"_name": "card without a display"},
            {
                "spdisplays_ndrvs": [
                    {"_spdisplays_resolution": "800 x 600 @ 60.00Hz"},
                    {"_spdisplays_resolution": "1440 x 900 @ 60.00Hz", "spdisplays_main": "spdisplays_yes"},
                ]
            },
        ]
    }
)


async def test_macos_tells_user_size_and_lock() -> None:
    programs = Programs({"ioreg": ioreg(CGSSessionScreenIsLocked=True), "system_profiler": PROFILE})
    facts = await macos.look_at_desktop({}, programs)
    assert (facts.kind, facts.name, facts.width, facts.height, facts.is_locked) == (
        "macos",
        "of robot",
        1440,
        900,
        True,
    )

    programs = Programs({"ioreg": ioreg(kCGSessionLoginDoneKey=True)})
    facts = await macos.look_at_desktop({}, programs)
    assert (facts.is_locked, facts.width, facts.no_size) == (False, None, "system_profiler does not tell it")

    assert (await macos.look_at_desktop({}, Programs({"ioreg": ioreg()}))).kind == "none"
    assert (await macos.look_at_desktop({}, Programs({}))).kind == "unknown"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"SPDisplaysDataType": [{"spdisplays_ndrvs": [{}]}]}'])
def test_macos_without_a_size_is_unknown(text: str) -> None:
    assert macos.size_of(text) is None


async def test_macos_tells_when_it_sleeps() -> None:
    settings = "System-wide power settings:\nCurrently in use:\n standby 1\n sleep                10 (imposed)\n"
    programs = Programs({"pmset -g ps": "Now drawing from 'Battery Power'\n", "pmset -g": settings})
    assert await macos.look_at_power({}, programs) == PowerFacts(sleeps_after_s=600, on_battery=True)
    unknown = await macos.look_at_power({}, Programs({}))
    assert (unknown.sleeps_after_s, unknown.on_battery, bool(unknown.why_unknown)) == (None, None, True)


@dataclass
class Calls:
    """What a Windows answers."""

    number: int | None = 2
    name: str | None = "Default"
    size: tuple[int, int, int] | None = (1920, 1080, 96)
    after_s: int | None = 0
    connected: bool | None = True

    def is_connected(self) -> bool | None:
        return self.connected

    def session(self) -> int | None:
        return self.number

    def input_desktop(self) -> str | None:
        return self.name

    def screen(self) -> tuple[int, int, int] | None:
        return self.size

    def sleeps_after_s(self) -> int | None:
        return self.after_s

    def on_battery(self) -> bool | None:
        return None


@pytest.mark.parametrize(
    ("calls", "kind", "locked"),
    [
        (Calls(), "windows", False),
        (Calls(name="Winlogon"), "windows", True),
        (Calls(name=None), "windows", True),
        (Calls(number=0), "none", None),
        (Calls(number=None), "unknown", None),
    ],
)
def test_windows_tells_session_and_lock(calls: Calls, kind: str, locked: bool | None) -> None:
    """Packaging §5: the input desktop's name is "Default", locked otherwise; session 0 has no desktop."""
    facts = windows.desktop_of(calls)
    assert (facts.kind, facts.is_locked) == (kind, locked)


def test_windows_without_an_answer_is_unknown() -> None:
    assert windows.desktop_of(Calls(size=None)).no_size == "the system does not tell it"
    assert windows.power_of(Calls(after_s=None)).why_unknown
    assert windows.power_of(Calls(after_s=900)).sleeps_after_s == 900


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")
@pytest.mark.parametrize(
    ("states", "said", "can_sleep"),
    [
        ("freeze mem disk", "static", True),
        ("freeze mem disk", "masked", False),
        ("", "static", False),
        (None, "", False),
    ],
)
async def test_linux_tells_whether_it_can_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: str | None, said: str, can_sleep: bool
) -> None:
    monkeypatch.setattr("agent.desktops.linux.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("agent.desktops.linux._POWER_STATE", tmp_path / "state")
    if states is not None:
        (tmp_path / "state").write_text(states)
    facts = await linux.look_at_power({}, Programs({"systemctl is-enabled sleep.target": said}))
    assert (facts.can_sleep, facts.sleeps_after_s) == (can_sleep, None)
