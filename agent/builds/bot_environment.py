"""The variables that a bot finds (bot-packages.md §6): few of ours, what its kind needs, and a choice of the machine's.

*Service mode* inherits an allow-list and gets a HOME of its own (S18, S19). *Session mode* inherits the desktop
session's variables, because SAP, Office and browser profiles hang on them, less the runner's own and Python's.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from agent.builds.short_tmp import make_short
from agent.mode import Mode
from agent.wire.task import Work

PARAMETER_MAX_BYTES = 32 * 1024
"""A longer parameter is in the file only: Linux takes 128 KiB for one variable, and all of them share a bound."""


_ALLOWED = frozenset({
    *("PATH", "LANG", "LANGUAGE", "TZ", "SHELL", "USER", "LOGNAME"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS", "NUMBER_OF_PROCESSORS", "USERNAME"),
    *("PROCESSOR_ARCHITECTURE", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432"),
    *("COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432", "COMPUTERNAME", "PUBLIC"),
})  # fmt: skip
_DENIED = re.compile(
    r"BOTYARD_|PYTHON|VIRTUAL_ENV|CONDA|UV_|PIP_|NOTIFY_SOCKET|WATCHDOG_|INVOCATION_ID|JOURNAL_STREAM|LISTEN_|"
    r"CREDENTIALS_DIRECTORY|GITHUB_OUTPUT|GITHUB_STEP_SUMMARY|RC_API_",
    re.IGNORECASE,
)
_DESKTOP = frozenset({"DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"})
"""A bot gets its slot's, or none (`agent/desktops/given.py`)."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def inherited(mode: Mode, source: Mapping[str, str]) -> dict[str, str]:
    """What a bot gets of the daemon's own variables."""
    if mode is Mode.SESSION:
        return {name: value for name, value in source.items() if not _DENIED.match(name) and name not in _DESKTOP}
    return {name: value for name, value in source.items() if name.upper() in _ALLOWED or name.startswith("LC_")}


def parameter_variables(parameters: Mapping[str, JsonValue], secret: frozenset[str]) -> dict[str, str]:
    """`BOTYARD_PARAM_<NAME>` for each scalar that is no secret (S11); of two of one name the first counts."""
    variables: dict[str, str] = {}
    for name in sorted(parameters):
        text = scalar_text(parameters[name])
        if name in secret or text is None or "\0" in text or len(text.encode()) > PARAMETER_MAX_BYTES:
            continue
        variables.setdefault(f"BOTYARD_PARAM_{_NOT_IN_NAMES.sub('_', name).upper()}", text)
    return variables


def account_variables(accounts: Mapping[str, str]) -> dict[str, str]:
    """`BOTYARD_RESOURCE_<LABEL>`: the account that the task holds alone while it runs."""
    return {f"BOTYARD_RESOURCE_{_NOT_IN_NAMES.sub('_', label).upper()}": accounts[label] for label in sorted(accounts)}


def scalar_text(value: JsonValue) -> str | None:
    """A scalar as programs read it from a variable or an argument; None for lists, objects and null."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return json.dumps(value)
        case _:
            return None


def python_variables(root: Path, scripts: Path, path: str) -> dict[str, str]:
    """What a bot with an environment at `root` gets besides; `path` is the PATH without it."""
    return {
        "PATH": os.pathsep.join(part for part in (str(scripts), path) if part),
        "VIRTUAL_ENV": str(root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
        # The environment's byte code was compiled when it was made; a run writes none into it, nor beside it.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def robot_variables(listener: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Live progress of every `robot` that the bot starts, by a listener of ours (bot-packages.md §5).

    Robot Framework splits the variable as a shell would; options on a command line still win over it.
    """
    ours = f"--listener {shlex.quote(listener.as_posix())}"
    return {"ROBOT_OPTIONS": f"{env['ROBOT_OPTIONS']} {ours}" if env.get("ROBOT_OPTIONS") else ours}


def folder_variables(folder: Path, mode: Mode) -> dict[str, str]:
    """Where a bot leaves things, below the execution's folder; makes what must be there."""
    results, temporary, home = folder / "result", folder / "tmp", folder / "home"
    for made in (results, temporary, folder / "artifacts", *((home,) if mode is Mode.SERVICE else ())):
        made.mkdir(mode=0o700, exist_ok=True)
    for empty in (results / "outputs", results / "summary.md"):
        empty.touch(mode=0o600)
    variables = {
        "BOTYARD_ARTIFACTS": str(folder / "artifacts"),
        "BOTYARD_PARAMETERS": str(folder / "parameters.json"),
        "BOTYARD_OUTPUT": str(results / "outputs"),
        "BOTYARD_SUMMARY": str(results / "summary.md"),
        "BOTYARD_RESULT": str(results / "result.json"),
        # Tools that write these for GitHub's runners write them here, too (bot-packages.md §7).
        "GITHUB_OUTPUT": str(results / "outputs"),
        "GITHUB_STEP_SUMMARY": str(results / "summary.md"),
    }
    short = make_short(folder)
    variables |= dict.fromkeys(("TMP", "TEMP", "TMPDIR"), str(short))
    if mode is Mode.SERVICE:
        variables |= {"USERPROFILE" if sys.platform == "win32" else "HOME": str(home)}
        if sys.platform == "linux":
            # Sockets lie there, whose names may be short only.
            (short / "run").mkdir(mode=0o700, exist_ok=True)
            variables["XDG_RUNTIME_DIR"] = str(short / "run")
    return variables


def write_parameters(folder: Path, work: Work) -> None:
    """The task's parameters as JSON, for the bot alone (0600)."""
    path = folder / "parameters.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(work.task.parameters, ensure_ascii=False), encoding="utf-8")
