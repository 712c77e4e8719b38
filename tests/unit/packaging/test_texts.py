"""Units and scripts of the packages, as texts: what the system's own tools say of them (`packaging.md` §9.1)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[3] / "packaging"
UNIT = PACKAGING / "systemd" / "botyard-hub.service"
SCRIPTS = [
    path
    for path in sorted(PACKAGING.rglob("*"))
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))
]
ANALYZE, SHELLCHECK = shutil.which("systemd-analyze"), shutil.which("shellcheck")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


@needs_systemd
def test_systemd_finds_nothing_to_say_of_the_hub_s_unit(tmp_path: Path) -> None:
    """A word that it does not know it passes over with a warning: so none may be there."""
    assert ANALYZE is not None
    python = "/opt/botyard-hub/current/bin/python3"
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(python, "/bin/true"))

    done = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_hub_is_shut_in() -> None:
    """Exposure of at most 1.5 of 10."""
    assert ANALYZE is not None
    words = [ANALYZE, "security", "--offline=true", "--threshold=15", str(UNIT)]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_hub_s_settings_are_for_root_alone(tmp_path: Path) -> None:
    """A database's password may stand there, whatever the umask is of who builds."""
    subprocess.run([sys.executable, PACKAGING / "deb/texts.py", "botyard-hub", tmp_path], umask=0o022, check=True)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}

    assert {"hub.env": 0o640, "botyard-hub.conf": 0o644, "botyard-hub.service": 0o644} == modes


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: "-".join(path.relative_to(PACKAGING).parts))
def test_scripts_are_read_by_any_shell(script: Path) -> None:
    """`sh -n`, and shellcheck where it is: with @NAME@ in them as they are filled in."""
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if SHELLCHECK is not None:
        text = script.read_text().replace("@NAME@", "botyard-agent").replace("@VERSION@", "0.1.0")
        done = subprocess.run([SHELLCHECK, "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_windows_script_looks_before_it_writes_and_says_done_only_of_a_link() -> None:
    """No PowerShell is here: the order of its steps, as its text has them."""
    script = (PACKAGING / "windows/install.ps1").read_text()
    steps = (
        "$Label -split ','",
        "$known -ne $HubId",
        "Copy-Item",
        "agent enroll",
        "agent service uninstall",
        "agent service install @install\n    if",
        "agent service status --json",
        "Rename-Item",
        "exit 0",
    )
    places = [script.index(step) for step in steps]
    assert places == sorted(places)
