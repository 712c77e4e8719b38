"""File triggers: what a definition says, what is wrong with it, and what makes a file the same one (R65).

A file is its device, inode, time of change and size. Its name is no part of it: renamed, it is the same file; written
anew, another one. Numbers of devices change when a machine starts anew or a share is mounted again, so a file at the
same path with the same inode, time and size is the same one, too.
"""

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from agent.wire.watching import FOLDER_MAX, PATTERN_MAX, STABLE_MAX_S, FoundFile, WatchedFolder
from hub.domain.parameters import NAME, Fault

MEMBERS = ("runner", "folder", "pattern", "recursive", "stable_s", "existing", "parameter", "anywhere")
PARAMETER = "file"
GONE_FOR = timedelta(days=30)
"""A file that was not there for so long is forgotten; there again, it is a new one."""
LOST_FOR = timedelta(days=400)
"""The same where the folder's device is another one than the file's: that may be a share that is not mounted."""
_WATCHED = ("runner", "folder", "pattern", "recursive", "existing")


class Existing(StrEnum):
    """What becomes of files that lie there when the runner looks for the first time."""

    IGNORE = "ignore"
    FIRE = "fire"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule:
    """What a definition says."""

    runner: str
    """Name of the runner that watches."""
    folder: str
    """Its path there."""
    pattern: str = "*"
    recursive: bool = False
    stable_s: float = 2.0
    existing: Existing = Existing.IGNORE
    parameter: str = PARAMETER
    """Which parameter of its tasks gets the file's path."""
    anywhere: bool = False
    """Its tasks may run on any runner that fits; otherwise on the one that has the file."""

    @property
    def revision(self) -> str:
        """Changes with what is watched, and with nothing else."""
        said = [str(getattr(self, name)) for name in _WATCHED]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is kept of a file that was answered."""

    identity: str
    device: str
    path: str
    seen_at: datetime


def read_rule(definition: Mapping[str, Any]) -> FileRule:
    """The rule of a stored definition."""
    said = {name: definition[name] for name in MEMBERS if definition.get(name) is not None}
    return FileRule(**{**said, "existing": Existing(said.get("existing", Existing.IGNORE))})


def faults_of(definition: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a definition, all at once; whether there is such a runner is the caller's question."""
    said = {name: definition.get(name) for name in MEMBERS}
    faults = []
    if not isinstance(said["runner"], str) or not said["runner"]:
        faults.append(Fault(field="runner", message="missing", remedy="the name of the runner that watches"))
    faults += _of_folder(said["folder"]) + _of_pattern(said["pattern"])
    for name in ("recursive", "anywhere"):
        if said[name] is not None and type(said[name]) is not bool:
            faults.append(_odd(name, said[name], "true or false"))
    stable_s = said["stable_s"]
    if stable_s is not None and (type(stable_s) not in {int, float} or not 0 <= stable_s <= STABLE_MAX_S):
        faults.append(_odd("stable_s", stable_s, f"seconds, 0 to {STABLE_MAX_S:.0f}"))
    if said["existing"] is not None and said["existing"] not in set(Existing):
        faults.append(_odd("existing", said["existing"], f"one of {', '.join(Existing)}"))
    parameter = said["parameter"]
    if parameter is not None and (not isinstance(parameter, str) or not NAME.match(parameter)):
        faults.append(_odd("parameter", parameter, "the name of a parameter: letters, digits, _ . or -"))
    if definition.get("overlap") not in {None, "allow"}:
        remedy = "leave it out; `botyard automation edit --concurrency 1` lets one task run at a time"
        faults.append(Fault(field="overlap", message="would pass over files", remedy=remedy))
    return faults


def watched(rule: FileRule, trigger_id: str, looked_through: str | None) -> WatchedFolder:
    """What the runner is told; `looked_through` is the revision that was looked through once, if any was."""
    return WatchedFolder(
        trigger_id=trigger_id,
        revision=rule.revision,
        folder=rule.folder,
        pattern=rule.pattern,
        recursive=rule.recursive,
        stable_s=rule.stable_s,
        leave_existing=rule.existing is Existing.IGNORE and looked_through != rule.revision,
    )


def identity_of(file: FoundFile) -> str:
    """What stays the same when a machine starts anew. A name that is no text counts: renamed, such a file is new."""
    word = "" if file.is_text else f"name {hashlib.sha256(file.path.encode()).hexdigest()[:16]} "
    return f"{word}{file.inode:x}:{file.mtime_ns}:{file.size}"


def device_of(device: int) -> str:
    """A device as it is kept."""
    return f"{device:x}"


def cause_of(file: FoundFile) -> str:
    """The key of its firing."""
    return f"file {device_of(file.device)}:{identity_of(file)}"


def known_as(file: FoundFile, marks: Iterable[Mark]) -> Mark | None:
    """The mark of this very file among those of its identity."""
    same = [mark for mark in marks if mark.identity == identity_of(file)]
    device = device_of(file.device)
    here = [mark for mark in same if mark.device == device]
    return next(iter(here or [mark for mark in same if mark.path == file.path]), None)


def is_meant(rule: FileRule, path: str) -> bool:
    """Whether a file at this path is one that the rule's runner may tell, and so name to its task.

    The path says by itself whose it is: a runner on Windows tells backslashes only, one elsewhere begins with a slash.
    """
    if ".." in PureWindowsPath(path).parts:
        return False  # of either system: with `anywhere` the path is opened on another one
    is_windows = not path.startswith("/")
    flavour: type[PurePath] = PureWindowsPath if is_windows else PurePosixPath
    try:
        below = flavour(path).relative_to(flavour(rule.folder)).parts
    except ValueError:
        return False
    if not below or (len(below) > 1 and not rule.recursive):
        return False
    name, pattern = (below[-1].lower(), rule.pattern.lower()) if is_windows else (below[-1], rule.pattern)
    return fnmatch.fnmatchcase(name, pattern)


def _of_folder(folder: object) -> list[Fault]:
    if not isinstance(folder, str) or not folder:
        return [Fault(field="folder", message="missing", remedy="an absolute path on the runner")]
    is_absolute = PurePosixPath(folder).is_absolute() or PureWindowsPath(folder).is_absolute()
    if not is_absolute or len(folder) > FOLDER_MAX or "\0" in folder:
        return [_odd("folder", folder, f"an absolute path on the runner, {FOLDER_MAX} characters at most")]
    if ".." in PureWindowsPath(folder).parts:
        return [_odd("folder", folder, "a path without ..")]
    return []


def _of_pattern(pattern: object) -> list[Fault]:
    if pattern is None:
        return []
    if not isinstance(pattern, str) or not 0 < len(pattern) <= PATTERN_MAX or "\0" in pattern:
        return [_odd("pattern", pattern, f"a glob such as *.csv, {PATTERN_MAX} characters at most")]
    if "/" in pattern or "\\" in pattern:
        return [_odd("pattern", pattern, "names of files only; recursive looks into folders below")]
    return []


def _odd(name: str, value: object, remedy: str) -> Fault:
    return Fault(field=name, message=f"{str(value)[:80]!r} is none", remedy=remedy)
