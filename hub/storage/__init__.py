"""The hub's database: the only SQL of the project, on SQLite and PostgreSQL alike (core.md §5).

`open_store` gives a `Store`; services hand it use cases over a `Transaction`; one file a noun holds the statements.
"""
