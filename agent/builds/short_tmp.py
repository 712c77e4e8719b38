"""A short name for an execution's temporary folder.

A unix socket's name has at most 107 characters (103 on macOS), and Chromium puts one 45 characters below TMPDIR: from
``HOME/executions/exe_…/tmp`` no browser bot could start. So a bot's TMPDIR is a link ``HOME/t/<8 digits>`` to that
folder. Everything still lies, and ends, in the execution's own folder; a link that was left behind leads nowhere.
"""

import sys
from pathlib import Path

FOLDER = "t"
_DIGITS = 8


def make_short(folder: Path) -> Path:
    """The name under which the bot of the execution's `folder` finds its ``tmp``; the long one where no link can be."""
    target, link = folder / "tmp", _link_of(folder)
    if sys.platform == "win32" or len(str(link)) >= len(str(target)):
        return target
    try:
        link.parent.mkdir(mode=0o700, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError:
        return target
    return link


def drop_short(folder: Path) -> None:
    """Remove the link of an execution that is forgotten."""
    if _link_of(folder).is_symlink():
        _link_of(folder).unlink(missing_ok=True)


def sweep(home: Path) -> None:
    """Remove the links whose executions are gone."""
    for link in (home / FOLDER).glob("*"):
        if link.is_symlink() and not link.exists():
            link.unlink(missing_ok=True)


def _link_of(folder: Path) -> Path:
    return folder.parent.parent / FOLDER / folder.name[-_DIGITS:]
