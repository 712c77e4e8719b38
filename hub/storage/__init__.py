"""The hub's database: the only SQL of the project, on SQLite and PostgreSQL alike (core.md §5)."""
