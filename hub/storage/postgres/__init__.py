"""PostgreSQL: asyncpg under SQLAlchemy Core, SERIALIZABLE with retries, several hubs on one database (core.md §5)."""
