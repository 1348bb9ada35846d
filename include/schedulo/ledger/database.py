"""Opens the ledger: one schema, SQLite for one host, PostgreSQL in production.

SQLite runs with WAL, `synchronous=FULL` and `BEGIN IMMEDIATE`: an intent that a power cut could lose would be
a second post, and a transaction that reads before it writes would get BUSY without waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schedulo.ledger import changed_rows as _changed_rows  # noqa: F401

# Who asks for all tables of the schema, to look at rights or to tidy up, must see those of every module.
from schedulo.ledger import heard as _heard  # noqa: F401
from schedulo.ledger import listening as _listening  # noqa: F401
from schedulo.ledger import maintenance as _maintenance  # noqa: F401
from schedulo.ledger import outages as _outages  # noqa: F401
from schedulo.ledger import quotas as _quotas  # noqa: F401
from schedulo.ledger import subscribers as _subscribers  # noqa: F401
from schedulo.ledger import troubles as _troubles  # noqa: F401

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_NOW = {
    "postgresql": sa.literal_column(
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)", sa.BigInteger
    ),
    "sqlite": sa.literal_column(
        "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)", sa.BigInteger
    ),
}


class LedgerError(RuntimeError):
    """The ledger cannot be used as it is; the message says what to do."""


class Ledger:
    """A handle on the database. Cheap to share between threads; every use takes its own connection."""

    def __init__(self, url: str | sa.URL) -> None:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in _NOW:
            raise LedgerError(
                f"SCHEDULO_LEDGER_URL names {parsed.get_backend_name()!r}: it must be sqlite or postgresql. "
                "The operator sets it."
            )
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.url = parsed
        self.engine = sa.create_engine(parsed, **_engine_options(parsed))
        self.now = _NOW[parsed.get_backend_name()]
        """SQL expression: the database's time in milliseconds."""
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        else:
            _prepare_postgres(self.engine)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end of the block."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads: on SQLite it waits for no writer."""
        with self.engine.connect().execution_options(schedulo_reads=True) as connection, connection.begin():
            yield connection

    def now_ms(self, connection: sa.Connection) -> int:
        """The database's time, in milliseconds."""
        return int(connection.execute(sa.select(self.now)).scalar_one())

    def migrate(self) -> None:
        """Bring the schema and the views up to date. Safe to run by several processes at once."""
        from alembic import command

        from schedulo.ledger import views  # it needs this module

        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(731984220)"))
            config = _alembic()
            config.attributes["connection"] = connection
            if self.is_sqlite and len(set(_revisions(connection))) == 2:
                views.drop(connection)  # SQLite changes no table that a view reads
            command.upgrade(config, "head")
            views.make(connection)

    def check(self) -> None:
        """Raise `LedgerError` unless the schema is the one this program was written for."""
        with self.engine.connect() as connection:
            found, head = _revisions(connection)
        if found != head:
            raise LedgerError(
                f"The ledger's schema is {found or 'not there'}, this program needs {head}: "
                "run `schedulo db upgrade`."
            )

    def close(self) -> None:
        self.engine.dispose()


def upsert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, for the database in use."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": 30, "check_same_thread": False}}
    # One thread writes: a server that went away without a word must not hold it up for long.
    patience = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 10}
    return {"pool_size": 5, "max_overflow": 5, "pool_pre_ping": True, "connect_args": patience}


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only an empty file can be made so
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("schedulo_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _prepare_postgres(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # A claim is thought to be costly, and compiling it took 0.6 s of it: more than all the rest.
        connection.execute("SET jit = off")
        connection.commit()


def _revisions(connection: sa.Connection) -> tuple[str | None, str]:
    """What the database has, and what this program was written for. Alembic is not asked: to load it takes a
    worker longer than to read what was changed."""
    found = None
    if sa.inspect(connection).has_table("alembic_version"):
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found, max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _alembic() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
