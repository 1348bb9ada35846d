"""The PostgreSQL of tests: what was committed outlives a crash of it."""

import psycopg
import pytest

from sandbox.postgres import find_binaries, postgres_server

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(find_binaries() is None, reason="no PostgreSQL server is installed"),
]


def test_a_server_that_crashed_comes_back_with_what_was_committed() -> None:
    with postgres_server() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept VALUES (7)")
            server.crash()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]
