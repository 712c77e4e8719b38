"""Watched folders: what the hub wants watched, and what a runner tells of it (`reliability.md` R65).

``watch`` is the whole set, in pages, each time; a runner that has that version already does nothing. What a runner
tells is numbered, and repeated until ``files_taken`` names that number: the hub knows each file, so twice is no harm.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent.wire.task import BotText, WireModel

FOLDER_MAX = 1024
PATTERN_MAX = 256
PATH_MAX = 4096
"""A longer path is told as one that is no text: no bot could open it by its name."""
STABLE_MAX_S = 3600.0
TROUBLE_MAX = 500
FOLDERS_IN_A_PAGE = 100
FILES_IN_A_MESSAGE = 32
"""So that a message fits a frame whatever is in the names."""

WireTriggerId = Annotated[str, StringConstraints(pattern=r"^trg_[0-9a-f]{32}$")]
Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class WatchedFolder(WireModel):
    """What a runner watches for one trigger."""

    trigger_id: WireTriggerId
    revision: Revision
    """Of what is watched: what is told of another one is not taken."""
    folder: str = Field(min_length=1, max_length=FOLDER_MAX)
    pattern: str = Field(min_length=1, max_length=PATTERN_MAX)
    recursive: bool = False
    stable_s: float = Field(default=2.0, ge=0, le=STABLE_MAX_S)
    """A file is told when it did not change for so long."""
    leave_existing: bool = False
    """What lies there at the first look is told at once, as `FoundFile.was_there`."""


class Watch(WireModel):
    """A page of all folders that this runner should watch; they count when the last page is there."""

    type: Literal["watch"] = "watch"
    version: str = Field(min_length=1, max_length=64)
    page: int = Field(default=0, ge=0)
    last: bool = True
    folders: tuple[WatchedFolder, ...] = Field(default=(), max_length=FOLDERS_IN_A_PAGE)


class FoundFile(WireModel):
    """A file that does not change any more. What it is: device, inode, time of change and size; not its name."""

    path: BotText = Field(min_length=1, max_length=PATH_MAX)
    device: int = Field(ge=0, lt=2**64)
    inode: int = Field(ge=0, lt=2**128)
    mtime_ns: int = Field(gt=-(2**63), lt=2**63)
    size: int = Field(ge=0, lt=2**63)
    is_text: bool = True
    """False where its name is no text, or too long: `path` only shows it then."""
    was_there: bool = False
    """It lay there before the trigger, which leaves such files alone."""
    answered: bool = False
    """It was answered before: a hub that does not know it has forgotten it, and makes no task."""


class FilesFound(WireModel):
    """Files of one trigger; the next ones follow when these are answered."""

    type: Literal["files_found"] = "files_found"
    number: int = Field(ge=1)
    trigger_id: WireTriggerId
    revision: Revision
    files: tuple[FoundFile, ...] = Field(min_length=1, max_length=FILES_IN_A_MESSAGE)


class FolderTold(WireModel):
    """How a folder is; with `device`, all that lay there when it was looked through has been answered."""

    type: Literal["folder_told"] = "folder_told"
    number: int = Field(ge=1)
    trigger_id: WireTriggerId
    revision: Revision
    device: int | None = Field(default=None, ge=0, lt=2**64)
    files: int = Field(default=0, ge=0)
    trouble: BotText = Field(default="", max_length=TROUBLE_MAX)
    """Why not all of it can be watched now; empty when it can."""


class FilesTaken(WireModel):
    """The answer to `FilesFound` and `FolderTold`, after the commit."""

    type: Literal["files_taken"] = "files_taken"
    number: int = Field(ge=1)
    refused: bool = False
    """Nothing was taken: the trigger is not this runner's now, or not so, as the next `watch` says; or there is no room
    for it now. It is told again later."""
    again: tuple[int, ...] = Field(default=(), max_length=FILES_IN_A_MESSAGE)
    """Places of files that came to nothing and are to be told again later."""


FolderNews = FilesFound | FolderTold
"""What a runner tells of what it watches."""
