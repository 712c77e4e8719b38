"""Which applications are on this machine: those that the administrator named, and a browser, found by itself."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.fitness.facts import BROWSER

_COMMANDS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "firefox", "firefox-esr"),
    *("microsoft-edge", "microsoft-edge-stable", "msedge"),
)
_WINDOWS = (
    r"Google\Chrome\Application\chrome.exe",
    r"Microsoft\Edge\Application\msedge.exe",
    r"Mozilla Firefox\firefox.exe",
    r"Chromium\Application\chrome.exe",
)
_WINDOWS_ROOTS = ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
_MACOS = ("Google Chrome", "Chromium", "Firefox", "Microsoft Edge")

Find = Callable[[str], bool]


def is_there(program: str, path: str | None) -> bool:
    """Whether a program can be run: by its path, or by its name in the folders of `path`."""
    return shutil.which(program, path=path) is not None


def found_of(applications: Mapping[str, str], environment: Mapping[str, str]) -> frozenset[str]:
    """The names of those that are there. Looks at files, and runs nothing."""
    path = environment.get("PATH")
    found = {name for name, program in applications.items() if is_there(program, path)}
    if BROWSER not in applications and any(is_there(one, path) for one in browsers(environment)):
        found.add(BROWSER)
    return frozenset(found)


def barred_of(applications: Mapping[str, str]) -> frozenset[str]:
    """The names of those whose file is there by its path, and which this user may not run."""
    return frozenset(
        name
        for name, program in applications.items()
        if Path(program).is_absolute()
        and shutil.which(program, mode=os.F_OK) is not None
        and shutil.which(program) is None
    )


def browsers(environment: Mapping[str, str], platform: str = sys.platform) -> Iterator[str]:
    """Where browsers are, the likeliest first."""
    if platform == "win32":
        roots = [environment[root] for root in _WINDOWS_ROOTS if environment.get(root)]
        yield from (f"{root}\\{program}" for root in roots for program in _WINDOWS)
    if platform == "darwin":
        homes = [Path("/Applications"), Path(environment.get("HOME", os.sep), "Applications")]
        yield from (str(home / f"{name}.app/Contents/MacOS/{name}") for home in homes for name in _MACOS)
    yield from _COMMANDS
