"""Every verdict of every check, from facts alone (issue 6, point 5)."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.desktops import DesktopFacts, PowerFacts
from agent.doctor.checks import (
    authority,
    clock,
    daemon,
    desktop,
    disk,
    fitness,
    home,
    link,
    permissions,
    power,
    proxy,
    rights,
)
from agent.doctor.checks import python as python_check
from agent.doctor.checks import settings as settings_check
from agent.doctor.checks import uv as uv_check
from agent.doctor.finding import Deed, Finding, Verdict
from agent.fitness.facts import MachineFacts, Wanted

FINE, WARNING, WRONG, UNKNOWN = Verdict.FINE, Verdict.WARNING, Verdict.WRONG, Verdict.UNKNOWN
GIB = 1024**3
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOME = Path("/home/robot/agent")

in_home = home.HomeFacts(path=HOME, runner="vm-1", hub="https://hub")
in_rights = rights.RightsFacts(home=HOME, owner="robot", user="robot", key_mode=0o600)
in_daemon = daemon.DaemonFacts(control=HOME / "control", is_held=True, answers=True, version="1.2")
in_disk = disk.DiskFacts(took_s=0.003, free_bytes=50 * GIB, total_bytes=100 * GIB, keep_free_bytes=GIB)
in_ca = authority.AuthorityFacts(now=NOW, path="/ca.pem", ends_at=NOW + timedelta(days=90))
in_link = link.LinkFacts(origin="https://hub:443", status=200, is_let_in=True)
in_python = python_check.PythonFacts(path="/usr/bin/python3", version="3.11.2")
in_uv = uv_check.UvFacts(path="/usr/bin/uv", version="uv 0.13.9")
in_desktop = DesktopFacts(kind="x11", name=":0", width=1920, height=1080, dpi=96, is_locked=False)
WANTED = Wanted(size=(1280, 720), memory_bytes=GIB // 4, applications={"sap": "/opt/sap"})
in_machine = MachineFacts(memory_bytes=GIB, found=frozenset({"browser", "sap"}))
none = DesktopFacts(kind="none", problem="DISPLAY is not set")
permitted = permissions.PermissionFacts(may_control=True, may_capture=True)

CASES: list[tuple[Callable[[Any], Finding], object, Verdict, str]] = [
    (home.judge, in_home, FINE, "runner vm-1 of https://hub"),
    (home.judge, replace(in_home, exists=False), WRONG, "is not there"),
    (home.judge, replace(in_home, is_folder=False), WRONG, "is a file"),
    (home.judge, replace(in_home, problem="it is no runner yet"), WRONG, "no runner yet"),
    (rights.judge, in_rights, FINE, "robot's alone"),
    (rights.judge, replace(in_rights, home_mode=0o755), WRONG, r"the home \(0755\)"),
    (rights.judge, replace(in_rights, key_mode=0o640), WRONG, r"key \(0640\)"),
    (rights.judge, replace(in_rights, key_mode=None), FINE, "alone"),
    (rights.judge, replace(in_rights, is_owner=False, user="eve"), WRONG, "robot's, this command runs as eve"),
    (rights.judge, replace(in_rights, is_owner=False, is_root=True), WARNING, "runs as root"),
    (rights.judge, replace(in_rights, why_unknown="access lists"), UNKNOWN, "access lists"),
    (settings_check.judge, settings_check.SettingsFacts(chosen=2), FINE, "2 chosen"),
    (settings_check.judge, settings_check.SettingsFacts(notes=("nobody reads X",)), WARNING, "nobody reads X"),
    (settings_check.judge, settings_check.SettingsFacts(faults=("a", "b")), WRONG, "a; b"),
    (daemon.judge, in_daemon, FINE, "runs, version 1.2"),
    (daemon.judge, replace(in_daemon, unfit=("draining here",)), WARNING, "takes no work: draining here"),
    (daemon.judge, replace(in_daemon, answers=False), WRONG, "does not answer"),
    (daemon.judge, replace(in_daemon, can_be_asked=False), UNKNOWN, "can't be asked"),
    (daemon.judge, replace(in_daemon, is_held=False), WARNING, "does not run$"),
    (daemon.judge, replace(in_daemon, is_held=False, has_socket=True), WARNING, "left over"),
    (daemon.judge, replace(in_daemon, why_unknown="not readable"), UNKNOWN, "not readable"),
    (disk.judge, in_disk, FINE, "in 3 ms; 50.0 GiB of 100.0 GiB free"),
    (disk.judge, replace(in_disk, refused="permission denied"), WRONG, "takes no writes: permission denied"),
    (disk.judge, replace(in_disk, reads_back=False), WRONG, "reads back as something else"),
    (disk.judge, replace(in_disk, links_exclude=False), WRONG, "does not exclude"),
    (disk.judge, replace(in_disk, free_bytes=GIB // 2), WRONG, "no new work"),
    (disk.judge, replace(in_disk, free_bytes=4 * GIB), WARNING, "builds and environments are removed"),
    (disk.judge, replace(in_disk, took_s=0.8), WARNING, "0.8 s, which is slow"),
    (disk.judge, replace(in_disk, why_unknown="no home"), UNKNOWN, "no home"),
    (proxy.judge, proxy.ProxyFacts(), FINE, "the direct way"),
    (proxy.judge, proxy.ProxyFacts(shown="the proxy p:8", is_setting=True), FINE, r"p:8 \(the setting proxy\)"),
    (proxy.judge, proxy.ProxyFacts(fault="HTTPS_PROXY is no proxy"), WRONG, "is no proxy"),
    (proxy.judge, proxy.ProxyFacts(why_unknown="which hub"), UNKNOWN, "which hub"),
    (authority.judge, in_ca, FINE, "until 2027-02-20"),
    (authority.judge, replace(in_ca, path=""), FINE, "the system's own"),
    (authority.judge, replace(in_ca, is_needed=False), FINE, "plain http"),
    (authority.judge, replace(in_ca, fault="it can't be read"), WRONG, "can't be read"),
    (authority.judge, replace(in_ca, ends_at=NOW), WRONG, "ended on 2026-11-22"),
    (authority.judge, replace(in_ca, ends_at=NOW + timedelta(days=3)), WARNING, "ends on 2026-11-25"),
    (authority.judge, replace(in_ca, ends_at=None), UNKNOWN, "can't be read"),
    (authority.judge, replace(in_ca, why_unknown="which hub"), UNKNOWN, "which hub"),
    (link.judge, in_link, FINE, "lets this runner in"),
    (link.judge, replace(in_link, unresolved="name not known"), WRONG, "name has no address"),
    (link.judge, replace(in_link, unreached="connection refused"), WRONG, "connection refused"),
    (link.judge, replace(in_link, status=404), WRONG, "answered 404"),
    (link.judge, replace(in_link, unproven="another hub answers"), WRONG, "another hub"),
    (link.judge, replace(in_link, refused="revoked", is_final=True), WRONG, "will not let this runner in: revoked"),
    (link.judge, replace(in_link, refused="busy"), WRONG, "does not let this runner in now: busy"),
    (link.judge, replace(in_link, is_let_in=False, not_asked="a daemon runs"), UNKNOWN, "a daemon runs"),
    (link.judge, replace(in_link, why_unknown="not tried"), UNKNOWN, "not tried"),
    (clock.judge, clock.ClockFacts(offset_s=0.4, error_s=0.6), FINE, "within 1 s"),
    (clock.judge, clock.ClockFacts(offset_s=-20.0, error_s=1.0), WARNING, "20 s behind"),
    (clock.judge, clock.ClockFacts(offset_s=86400.0, error_s=1.0), WRONG, "1.0 days ahead of"),
    (clock.judge, clock.ClockFacts(offset_s=-7200.0, error_s=1.0), WRONG, "2.0 hours behind"),
    (clock.judge, clock.ClockFacts(offset_s=6.0, error_s=4.0), FINE, "within 10 s"),
    (clock.judge, clock.ClockFacts(why_unknown="not reached"), UNKNOWN, "not reached"),
    (python_check.judge, in_python, FINE, "3.11.2 at /usr/bin/python3"),
    (python_check.judge, replace(in_python, version="", complaint="no file"), WRONG, "does not run: no file"),
    (python_check.judge, replace(in_python, has_venv=False, has_uv=False), WRONG, "makes no environments"),
    (python_check.judge, replace(in_python, has_venv=False), FINE, "3.11.2"),
    (uv_check.judge, in_uv, FINE, "uv 0.13.9"),
    (uv_check.judge, uv_check.UvFacts(), WARNING, "there is none"),
    (uv_check.judge, replace(in_uv, version="", complaint="segfault"), WRONG, "does not run: segfault"),
    (desktop.judge, in_desktop, FINE, "x11 :0"),
    (desktop.judge, none, WARNING, "there is none: DISPLAY"),
    (desktop.judge, replace(in_desktop, problem="connection refused", remedy="start it"), WRONG, ":0 is not reached"),
    (desktop.judge, DesktopFacts(kind="unknown", problem="not told"), UNKNOWN, "not told"),
    (desktop.judge_resolution, in_desktop, FINE, "1920x1080, 100 %"),
    (desktop.judge_resolution, replace(in_desktop, dpi=None), FINE, "1920x1080$"),
    (desktop.judge_resolution, replace(in_desktop, dpi=144), WARNING, "scaled to 150 %"),
    (desktop.judge_resolution, replace(in_desktop, height=600), WARNING, "1920x600 is small"),
    (desktop.judge_resolution, none, UNKNOWN, "no desktop to ask"),
    (desktop.judge_resolution, replace(in_desktop, dpi=100), FINE, "1920x1080, 104 %"),
    (lambda facts: desktop.judge_resolution(facts, WANTED), in_desktop, WRONG, "desktop_size says 1280x720"),
    (lambda facts: fitness.judge_memory(facts, WANTED), in_machine, FINE, "1024 MiB left"),
    (lambda facts: fitness.judge_memory(facts, WANTED), replace(in_machine, memory_bytes=GIB // 8), WRONG, "128 MiB"),
    (lambda facts: fitness.judge_memory(facts, WANTED), MachineFacts(), UNKNOWN, "does not tell"),
    (lambda facts: fitness.judge_applications(facts, WANTED), in_machine, FINE, "browser, sap"),
    (lambda facts: fitness.judge_applications(facts, WANTED), MachineFacts(), WRONG, "sap is not at /opt/sap"),
    (lambda facts: fitness.judge_applications(facts, Wanted()), MachineFacts(), WARNING, "no browser was found"),
    (desktop.judge_lock, in_desktop, FINE, "not locked"),
    (desktop.judge_lock, replace(in_desktop, is_locked=True), WRONG, "is locked"),
    (desktop.judge_lock, replace(in_desktop, is_locked=None, no_lock="no logind"), UNKNOWN, "no logind"),
    (permissions.judge, permitted, FINE, "are granted"),
    (permissions.judge, replace(permitted, may_capture=False), WRONG, "not granted: Screen Recording"),
    (permissions.judge, permissions.PermissionFacts(), UNKNOWN, "does not tell"),
    (power.judge, PowerFacts(can_sleep=False), FINE, "does not sleep"),
    (power.judge, PowerFacts(sleeps_after_s=0), FINE, "not go to sleep by itself"),
    (power.judge, PowerFacts(sleeps_after_s=1800), WRONG, "after 30 minutes"),
    (power.judge, PowerFacts(can_sleep=False, on_battery=True), WARNING, "battery"),
    (power.judge, PowerFacts(can_sleep=True), UNKNOWN, "can't be told"),
]


@pytest.mark.parametrize(("judge", "facts", "verdict", "text"), CASES)
def test_facts_give_the_verdict(judge: Callable[[Any], Finding], facts: object, verdict: Verdict, text: str) -> None:
    """One line each; what is wrong says what to do."""
    found = judge(facts)
    assert (found.verdict, bool(re.search(text, found.text))) == (verdict, True), found
    assert "\n" not in found.text
    assert found.remedy or verdict in {FINE, UNKNOWN}


def test_only_safe_deeds_are_named() -> None:
    """`--fix`: a folder, modes of the home, a socket that nobody serves."""
    named = {mend.deed: mend.path for judge, facts, _, _ in CASES for mend in judge(facts).mends}
    assert named == {
        Deed.MAKE_FOLDER: HOME,
        Deed.SET_MODE: HOME / "key",
        Deed.REMOVE_FILE: HOME / "control",
    }
