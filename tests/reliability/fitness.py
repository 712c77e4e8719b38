"""The fault matrix: a machine is made unfit in each way, is found out, gets no such work, is mended, and works on.

A real hub, a real daemon in a session of its own: a real X server, a real message bus with a logind on it, its home on
a small disk. What can't be spoilt in a process from outside, its wall clock and the memory of the machine, it reads
from files (`tests/support/fit_daemon.py`). One hub and one runner bear all of it.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.control import ask
from agent.errors import AgentError
from tests.reliability.fitness_faults import Ground, Injected, faults
from tests.reliability.part import Options, PartResult, Times
from tests.support.fake_logind import fake_logind
from tests.support.rig import Rig
from tests.support.small_disk import small_disk
from tests.support.waiting import eventually
from tests.support.x_screen import SIZE, screen

LIMIT_S = 5.0
"""Issue 6, point 7: named within, and at work again within."""
NAME = "desk-1"
_WAIT_S = 60.0
_NO_PYTHON = "==3.7.*"
_BOT = """
import os, time
with open(os.environ["BOTYARD_PARAM_FILE"], "a") as file:
    file.write(f"{time.time()}\\n")
"""
_AUTOMATIONS = {"desk": ["--desktop", "required"], "sap": ["--application", "sap"], "web": ["--application", "browser"]}


@dataclass(slots=True, kw_only=True)
class Told:
    """What one fault was like; seconds from its injection, and from its mend."""

    fault: str
    on_runner_s: float = float("nan")
    in_api_s: float = float("nan")
    in_why_s: float = float("nan")
    resumed_s: float = float("nan")
    started_unfit: int = 0
    has_since: bool = False
    is_gone: bool = False
    """Whether runner and API tell it no longer after the mend."""


@dataclass(slots=True)
class Matrix:
    """One hub, one runner, and what spoils it."""

    rig: Rig
    ground: Ground
    folder: Path
    told: list[Told] = field(default_factory=list)
    crowd: frozenset[str] = frozenset()
    """Codes of the faults that are had side by side."""

    async def round(self, injected: Sequence[Injected], *, at_once: bool) -> list[Told]:
        """Several side by side, each judged by itself, then mended. Raises AssertionError where one is not named.

        `at_once`: work is asked for in the moment of the injection, where the gate must stop it; else once the fault is
        known, so that nothing but the looks finds it.
        """
        self.crowd = frozenset(fault.code for fault in injected)
        told = await asyncio.gather(*(self._one(fault, at_once=at_once) for fault in injected))
        self.told += told
        return told

    async def _one(self, fault: Injected, *, at_once: bool) -> Told:
        told, file = Told(fault=fault.name), self.folder / f"{fault.name.replace(' ', '-')}-{len(self.told)}.starts"
        await fault.inject()
        began = time.time()
        early = [await self._ask_for(fault.wants, file)] if at_once and fault.is_guarded else []
        told.on_runner_s = await self._until(began, lambda: self._on_runner(fault))
        told.in_api_s = await self._until(began, lambda: self._in_api(fault))
        tasks = early or [await self._ask_for(fault.wants, file)]
        told.in_why_s = await self._until(began, lambda: self._in_why(fault, tasks[0]))
        told.has_since = all(one["since"] and one["remedy"] for one in await self._reasons(fault))
        told.started_unfit = len(_starts(file))
        await fault.mend()
        mended = time.time()
        await eventually(lambda: bool(_starts(file)), within=_WAIT_S, saying=f"no work after the mend of {fault.name}")
        told.resumed_s = _starts(file)[0] - mended
        told.is_gone = not await self._in_api(fault) and not await self._on_runner(fault)
        for task in tasks:
            assert (await self.rig.finished(task))["outcome"] == "succeeded"
        return told

    async def no_python(self) -> Told:
        """A build for a Python that is not here: the preparation fails, and says so, counted from its beginning.

        What mends it is a person's next deploy: there is no resuming to be seen.
        """
        rig, file = self.rig, self.folder / "python.starts"
        told = Told(fault="no Python for the build", resumed_s=0.0, is_gone=True)
        files = {"main.py": _BOT, "botyard.toml": f'python = "{_NO_PYTHON}"\n'}
        folder = str(rig.bot("newer", files))
        deploying = asyncio.ensure_future(rig.botyard("deploy", folder, "--bot", "newer", code=None))
        await eventually(self._newer, within=_WAIT_S, saying="nobody wants it prepared")
        began = time.time()
        told.on_runner_s = told.in_api_s = await self._until(began, self._has_no_python)
        assert (await deploying).code
        task = await self._ask_for("newer", file)
        told.in_why_s = await self._until(began, lambda: self._says_no_python(task))
        told.has_since = True
        told.started_unfit = len(_starts(file))
        self.told.append(told)
        return told

    async def _says_no_python(self, task: str) -> bool:
        """Why it waits; or, once no runner can prepare it, why it was given up."""
        told = [await self.rig.get(f"/api/v1/tasks/{task}/why"), await self.rig.task(task)]
        return "no Python" in json.dumps(told)

    async def _newer(self) -> dict[str, Any] | None:
        held = (await self.rig.get(f"/api/v1/runners/{NAME}"))["builds"]
        return next((one for one in held if one["bot"] == "newer"), None)

    async def _has_no_python(self) -> bool:
        return "no Python" in ((await self._newer()) or {"message": ""})["message"]

    async def _ask_for(self, automation: str, file: Path) -> str:
        body = {"automation": automation, "parameters": {"file": str(file)}}
        return str((await self.rig.send("POST", "/api/v1/tasks", body))["id"])

    async def _until(self, began: float, check: Any) -> float:
        await eventually(check, within=_WAIT_S, saying="not told")
        return time.time() - began

    async def _on_runner(self, fault: Injected) -> bool:
        with contextlib.suppress(AgentError, OSError):
            said = await ask(self.rig.home(NAME) / "control", "status")
            return f'"code": "{fault.code}"' in json.dumps(said["condition"])
        return False

    async def _in_api(self, fault: Injected) -> bool:
        return bool(await self._reasons(fault))

    async def _reasons(self, fault: Injected) -> list[dict[str, Any]]:
        """Why the runner gets no such work, of the API's one list."""
        told = await self.rig.get(f"/api/v1/runners/{NAME}")
        return [one for one in told["no_work"] if one["fault"] == fault.code]

    async def _in_why(self, fault: Injected, task: str) -> bool:
        reasons = (await self.rig.get(f"/api/v1/tasks/{task}/why"))["reasons"]
        # Of several faults a task is told what to mend first.
        return any(one["fault"] in {fault.code, *self.crowd} and one["message"] for one in reasons)


def _starts(file: Path) -> list[float]:
    """When bots began, by their own word."""
    return [float(line) for line in file.read_text().split()] if file.exists() else []


@asynccontextmanager
async def fit_machine(folder: Path) -> AsyncIterator[Matrix]:
    """Hub and runner, linked and fit; skips the test where something that is needed is missing."""
    spoilt, programs = folder / "spoilt", folder / "programs"
    for place in (spoilt, programs, folder / "homes"):
        place.mkdir(parents=True)
    for name in ("sap", "browser"):
        (programs / name).symlink_to("/bin/true")
    async with contextlib.AsyncExitStack() as stack:
        shown = await stack.enter_async_context(screen(folder))
        logind = await stack.enter_async_context(fake_logind(folder))
        disk = None
        if os.geteuid() == 0:
            with contextlib.suppress(pytest.skip.Exception):
                disk = stack.enter_context(small_disk(folder / "small", "96m"))
                (folder / "homes" / NAME).symlink_to(disk)
        rig = Rig(folder)
        rig.env |= {
            "DISPLAY": shown.display,
            "XAUTHORITY": os.devnull,
            "DBUS_SYSTEM_BUS_ADDRESS": logind.address,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/none",
            "XDG_SESSION_ID": logind.session,
            "BOTYARD_AGENT_DESKTOPS": "own",
            "BOTYARD_AGENT_DESKTOP_SIZE": "x".join(map(str, SIZE)),
            "BOTYARD_AGENT_DESKTOP_DPI": "96",
            "BOTYARD_AGENT_APPLICATIONS": f"sap={programs / 'sap'}, browser={programs / 'browser'}",
        }
        await stack.enter_async_context(rig)
        runner = await rig.add_runner(NAME, "--slots", "3", start=False)
        runner.command = [sys.executable, "-m", "tests.support.fit_daemon", str(rig.home(NAME)), str(spoilt)]
        await rig.start_runner(NAME)
        await _deploy(rig)
        ground = Ground(screen=shown, logind=logind, home_disk=disk, spoilt=spoilt, programs=programs)
        stack.callback(ground.curtain.drop)
        yield Matrix(rig, ground, folder)


async def _deploy(rig: Rig) -> None:
    await rig.deploy("plain", {"main.py": _BOT})
    for label, needs in _AUTOMATIONS.items():
        await rig.botyard("automation", "create", label, "--bot", "plain", *needs)


async def _alone(options: Options) -> list[Told]:
    async with fit_machine(options.folder / "fitness") as matrix:
        found = faults(matrix.ground)
        rounds = [(fault, False) for fault in found] + [(fault, True) for fault in found if fault.is_guarded]
        for fault, at_once in rounds:
            (told,) = await matrix.round([fault], at_once=at_once)
            options.say(row(told) + ("  (work was asked for in that moment: the gate)" if at_once else ""))
        options.say(row(await matrix.no_python()))
        return matrix.told


def run(options: Options) -> PartResult:
    """Each fault alone, and how long each took."""
    result = PartResult(
        name="fitness", promise="Issue 6, point 7: named within 5 s, no start on an unfit desktop, at work again in 5 s"
    )

    try:
        told = asyncio.run(_alone(options))
    except pytest.skip.Exception as missing:
        result.skip("the whole matrix", str(missing))
        return result
    result.tried["faults"] = len(told)
    for one in told:
        for broken in broken_by(one):
            result.fail(one.fault, broken)
    for what, samples in (
        ("named on the runner", [one.on_runner_s for one in told]),
        ("named by the API", [one.in_api_s for one in told]),
        ("named by `task why`", [one.in_why_s for one in told]),
        ("at work again after the mend", [one.resumed_s for one in told]),
    ):
        result.times.append(Times(what=what, samples=samples, limit_s=LIMIT_S))
    return result


def broken_by(told: Told) -> list[str]:
    """Promises that have nothing to do with how fast the machine is."""
    broken = []
    if told.started_unfit:
        broken.append(f"{told.started_unfit} tasks were started meanwhile")
    if not told.has_since:
        broken.append("nobody says since when")
    if not told.is_gone:
        broken.append("it is told after the mend")
    if told.resumed_s < 0:
        broken.append("work went on before the mend")
    return broken


def row(told: Told) -> str:
    """One line of the table."""
    times = (told.on_runner_s, told.in_api_s, told.in_why_s, told.resumed_s)
    names = ("runner", "API", "why", "again")
    return f"{told.fault:<20}" + "".join(f"  {name} {s:4.1f} s" for name, s in zip(names, times, strict=True))
