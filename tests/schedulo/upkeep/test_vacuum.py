"""What a vacuum gives back, and whom it does not wait for. How long others wait: benchmarks/vacuum.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import events
from schedulo.upkeep.vacuum import vacuum


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{file}")
    ledger.migrate()
    yield ledger
    ledger.close()


def grow_and_empty(ledger: Ledger) -> None:
    rows = [{"delivery_id": "d1", "at_ms": 0, "sentence": "x" * 2000} for _ in range(1000)]
    with ledger.begin() as connection:
        connection.execute(sa.insert(events), rows)
    with ledger.begin() as connection:
        connection.execute(sa.delete(events))


def test_the_room_of_rows_that_went_is_given_back(ledger: Ledger, file: Path) -> None:
    grow_and_empty(ledger)
    with ledger.read() as connection:
        before = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    said = vacuum(ledger)
    assert said == ["2.0 MB of the ledger's file were given back.", "Its journal is empty."]
    with ledger.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    assert pages < before / 2
    assert 0 < free < before / 5  # what comes next need not make the file longer
    assert file.with_name("ledger.db-wal").stat().st_size == 0
    assert vacuum(ledger) == ["Its journal is empty."]


def test_who_writes_is_not_waited_for_and_nothing_is_lost(ledger: Ledger) -> None:
    grow_and_empty(ledger)
    with ledger.begin() as connection:
        connection.execute(sa.insert(events).values(delivery_id="d2", at_ms=0, sentence="s"))
        said = vacuum(ledger, for_s=0.2)
    assert said[0] == "0.0 MB of the ledger's file were given back."
    assert "Its journal stays as long as it is: others were at work." in said
    with ledger.read() as connection:
        assert connection.execute(sa.select(events.c.delivery_id)).scalars().all() == ["d2"]
    assert vacuum(ledger)[0] == "2.0 MB of the ledger's file were given back."


def test_a_file_that_cannot_get_shorter_says_so(file: Path) -> None:
    with closing(sqlite3.connect(file)) as old:
        old.execute("CREATE TABLE before (number INTEGER)")
    ledger = Ledger(f"sqlite:///{file}")
    ledger.migrate()
    grow_and_empty(ledger)
    assert "made by an older version" in vacuum(ledger)[0]
    ledger.close()


@pytest.mark.postgres
def test_postgresql_vacuums_every_table_of_ours_and_says_which_are_not(fresh_postgres: str) -> None:
    ledger = Ledger(fresh_postgres)
    ledger.migrate()
    grow_and_empty(ledger)
    assert vacuum(ledger) == [f"{_tables(ledger)} tables were vacuumed."]
    with ledger.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE somebody_else")
        connection.exec_driver_sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.exec_driver_sql("ALTER TABLE events OWNER TO somebody_else")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA analytics TO guest")
    guest = Ledger(ledger.url.set(username="guest", password="guest"))
    [none, others] = vacuum(guest)
    assert none == "0 tables were vacuumed."
    assert "events" in others
    guest.close()
    with ledger.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY guest, somebody_else")
        connection.exec_driver_sql("DROP ROLE guest")
        connection.exec_driver_sql("DROP ROLE somebody_else")
    ledger.close()


def _tables(ledger: Ledger) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL AND last_analyze IS NOT NULL"
    )
    with ledger.read() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())
