"""A hub's data in one file, and back: what goes in and in which order, the archive, the database's snapshot (R20)."""
