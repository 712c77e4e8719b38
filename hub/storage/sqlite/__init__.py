"""SQLite: one writer thread with group commit, a few reader threads, one process (core.md §5, reliability.md P12)."""

from hub.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
