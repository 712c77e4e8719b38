"""Folders that this runner watches for triggers (`reliability.md` R65): each file is told once it is at rest.

`settling` decides, `looking` asks the file system, `bells` wake, `watcher` is one folder's loop, `desk` has all.
"""

from agent.watching.desk import WatchDesk

__all__ = ["WatchDesk"]
