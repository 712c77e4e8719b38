"""The program's own files, where one pasted line has put them: a purge takes them too. apt and pip keep theirs."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.service.spec import NAME

LINKS = (Path("/usr/local/bin") / NAME, Path.home() / ".local" / "bin" / NAME)
"""Where `agent.install` puts the command."""


def remove_program(say: Callable[[str], None], root: Path = Path(sys.prefix), links: Sequence[Path] = LINKS) -> None:
    """Remove all versions and the command's link, if `root`, which we run from, is a bundle's `current`.

    The last thing that a command does: nothing can be imported afterwards. Raises OSError.
    """
    prefix = root.parent
    if root.name != "current" or not root.is_symlink() or not (prefix / "versions").is_dir() or prefix.name != NAME:
        return
    for link in links:
        if link.is_symlink() and link.readlink().is_relative_to(prefix):
            link.unlink()
            say(f"removed {link}")
    say(f"removed {prefix}")
    shutil.rmtree(prefix)
