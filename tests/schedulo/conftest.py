"""A ledger on each database: SQLite always, PostgreSQL where a server is installed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.postgres import find_binaries, running_postgres
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import metadata
from schedulo.ledger.warehouse import ON_POSTGRESQL


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL; skipped loudly without one, except in CI, where that is an error."""
    if find_binaries() is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed, and CI must not skip its tests")
        pytest.skip("PostgreSQL is not installed: its half of the tests is skipped")
    with running_postgres(fsync="off") as url:
        yield url


@contextmanager
def _database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database; it is dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    admin = sa.create_engine(
        sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty ledger: migrating each anew would take longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of a database with a ledger, which is emptied for each test: making one takes a second."""
    with _database(postgres_url) as url:
        _migrate(url)
        yield url


def _empty(url: str) -> None:
    """Nothing of the test before is left: no process of it, no row, no index missing.

    By DELETE: the rows are few, and TRUNCATE makes the files of all tables and indexes anew, which takes
    longer than most tests.
    """
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
    )
    numbers = "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences"
    tables = [*metadata.sorted_tables, *ON_POSTGRESQL.metadata.sorted_tables]
    ledger = Ledger(url)
    with ledger.begin() as connection:
        connection.exec_driver_sql(others + "current_database()")
        connection.exec_driver_sql("; ".join(f"DELETE FROM {table.fullname}" for table in reversed(tables)))
        connection.exec_driver_sql(numbers.replace("%", "%%") + " WHERE last_value IS NOT NULL")
        there = set(connection.execute(sa.text("SELECT indexname FROM pg_indexes")).scalars())
        for table in metadata.sorted_tables:
            for index in table.indexes:
                if index.name not in there:
                    index.create(connection)
    ledger.close()


def _migrate(url: str) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    ledger.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    if request.param == "sqlite":
        copy = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "ledger.db")
        url = f"sqlite:///{copy}"
    else:
        url = request.getfixturevalue("migrated_postgres")
        _empty(url)
    ledger = Ledger(url)
    yield ledger
    ledger.close()
