"""The PostgreSQL fixture hands out databases that know nothing of each other."""

import pytest

from tests.support.postgres import PostgresServer, execute


@pytest.mark.postgres
def test_each_database_is_a_copy_of_its_template(postgres_server: PostgresServer) -> None:
    """A template is prepared once a session; what a test writes stays in its own copy."""
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        execute(url, "CREATE TABLE thing (number integer)")

    first = postgres_server.new_database(postgres_server.template("things", prepare))
    second = postgres_server.new_database(postgres_server.template("things", prepare))
    execute(first, "INSERT INTO thing VALUES (1)")

    assert 1 == len(prepared)
    assert [] == execute(second, "SELECT number FROM thing")
    postgres_server.drop(first)
    postgres_server.drop(second)


@pytest.mark.postgres
def test_a_database_goes_away_after_its_test(postgres_server: PostgresServer, postgres_url: str) -> None:
    assert 150000 <= execute(postgres_url, "SELECT current_setting('server_version_num')::int AS version")[0]["version"]
