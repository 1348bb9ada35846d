"""Opening the ledger: what the database is told, and the schema that it must have."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from schedulo.ledger.database import MIGRATIONS, Ledger, LedgerError, _revisions
from schedulo.ledger.tables import metadata, writes
from schedulo.ledger.warehouse import warehouse_of


def test_who_opens_the_ledger_knows_all_its_tables(ledger: Ledger) -> None:
    ask = "import schedulo.ledger.database, schedulo.ledger.tables as t; print(*t.metadata.tables)"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    with ledger.read() as connection:
        others = {*warehouse_of(connection).metadata.tables, "alembic_version"}
        there = set(sa.inspect(connection).get_table_names()) - others
    assert set(said.split()) == there


def test_sqlite_never_loses_an_intent_to_a_power_cut_and_waits_for_its_turn(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'new' / 'ledger.db'}")
    with ledger.begin() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    ledger.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_transaction_that_reads_before_it_writes_is_not_refused_on_sqlite(tmp_path: Path) -> None:
    """A deferred transaction would get BUSY at once: the lock is taken when it begins."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    with ledger.begin() as connection:
        connection.execute(sa.select(writes)).all()
        with (
            pytest.raises(sa.exc.OperationalError, match="locked"),
            sa.create_engine(ledger.url, connect_args={"timeout": 0}).connect() as other,
        ):
            other.exec_driver_sql("BEGIN IMMEDIATE")
    ledger.close()


@pytest.mark.postgres
def test_a_postgresql_that_went_away_without_a_word_is_given_up_soon(fresh_postgres: str) -> None:
    ledger = Ledger(fresh_postgres)
    with ledger.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        told = driver.info.get_parameters()
    ledger.close()
    assert (told["connect_timeout"], told["tcp_user_timeout"]) == ("5", "10000")


def test_the_migrations_lead_to_the_schema_that_the_program_knows(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": False, "include_schemas": True},
        )
        assert compare_metadata(context, [metadata, warehouse_of(connection).metadata]) == []


def test_what_the_program_needs_is_the_last_migration(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == _revisions(connection)[1]
        assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [_revisions(connection)[1]]


def test_the_index_that_keeps_a_second_write_out_is_partial_and_unique(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        (index,) = [
            item for item in sa.inspect(connection).get_indexes("writes") if item["name"] == "uq_writes_live"
        ]
    assert index["unique"]
    assert index["column_names"] == ["delivery_id", "name"]
    condition = str(index["dialect_options"][f"{ledger.url.get_backend_name()}_where"])
    assert all(state in condition for state in ("open", "accepted", "unknown"))
    assert "refused" not in condition


def test_a_schema_that_is_not_there_says_what_to_do(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with pytest.raises(LedgerError, match=r"is not there.*schedulo db upgrade"):
        ledger.check()
    ledger.migrate()
    ledger.check()
    ledger.migrate()
    ledger.check()
    ledger.close()


def test_a_database_of_another_kind_is_refused() -> None:
    with pytest.raises(LedgerError, match=r"'mysql'.*sqlite or postgresql"):
        Ledger("mysql://somewhere/db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_the_ways_in_which_people_write_postgresql_are_understood(scheme: str) -> None:
    ledger = Ledger(f"{scheme}://u:p@h/db".replace("postgres:", "postgresql:"))
    assert ledger.url.drivername == "postgresql+psycopg"


@pytest.mark.postgres
def test_postgresql_compiles_no_query(fresh_postgres: str) -> None:
    """That takes longer than what publishing asks."""
    ledger = Ledger(fresh_postgres)
    with ledger.engine.connect() as connection:
        assert connection.execute(sa.text("SHOW jit")).scalar() == "off"
    ledger.close()


def test_the_databases_clock_is_what_it_says(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        first = ledger.now_ms(connection)
        time.sleep(0.02)
        second = ledger.now_ms(connection)
    assert 15 <= second - first < 5_000, "it goes on within a transaction"
    assert abs(second - time.time() * 1000) < 5_000


def test_an_error_undoes_the_whole_transaction(ledger: Ledger) -> None:
    twice = sa.text("INSERT INTO marks (name, value, at_ms) VALUES ('a', '', 1)")

    def insert_twice() -> None:
        with ledger.begin() as connection:
            connection.execute(twice)
            connection.execute(twice)

    with pytest.raises(sa.exc.IntegrityError):
        insert_twice()
    with ledger.begin() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM marks WHERE name = 'a'")).scalar() == 0


MIGRATE = "import sys; from schedulo.ledger.database import Ledger; Ledger(sys.argv[1]).migrate()"
WRITE = """
import sys
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
ledger = Ledger(sys.argv[1])
for number in range(100):
    with ledger.begin() as connection:
        marks.read(connection, "x")
        marks.mark(connection, number, f"{sys.argv[2]}-{number}")
"""


def _at_once(script: str, url: str, count: int) -> list[tuple[int, str]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, str(number)], env=env, stderr=subprocess.PIPE, text=True
        )
        for number in range(count)
    ]
    return [(child.wait(60), child.communicate()[1]) for child in children]


@pytest.mark.slow
def test_several_processes_may_migrate_at_once(ledger_url: str) -> None:
    for code, said in _at_once(MIGRATE, ledger_url, 3):
        assert code == 0, said
    ledger = Ledger(ledger_url)
    ledger.check()
    ledger.close()


@pytest.mark.slow
def test_several_processes_may_write_at_once(ledger: Ledger) -> None:
    for code, said in _at_once(WRITE, ledger.url.render_as_string(hide_password=False), 3):
        assert code == 0, said
    with ledger.begin() as connection:
        query = sa.text("SELECT count(*) FROM marks WHERE name LIKE '_-%'")
        assert connection.execute(query).scalar() == 300
