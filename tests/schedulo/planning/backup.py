"""Backups as operators make them: a copy of the SQLite file, or of the PostgreSQL database."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from schedulo.ledger.database import Ledger


class Backup:
    """The ledger as it is now; `restore` puts it back in its place, whatever happened since."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        if ledger.is_sqlite:
            self._file = Path(str(ledger.url.database))
            self._copy = self._file.with_suffix(".backup")
            with sqlite3.connect(self._file) as source, sqlite3.connect(self._copy) as target:
                source.backup(target)
        else:
            self._name = f"backup_{secrets.token_hex(6)}"
            self._admin(f"CREATE DATABASE {self._name} TEMPLATE {ledger.url.database}")

    def restore(self) -> None:
        self._ledger.close()
        if self._ledger.is_sqlite:
            for name in ("-wal", "-shm"):
                self._file.with_name(self._file.name + name).unlink(missing_ok=True)
            shutil.copy(self._copy, self._file)
        else:
            self._admin(
                f"DROP DATABASE {self._ledger.url.database} WITH (FORCE)",
                f"ALTER DATABASE {self._name} RENAME TO {self._ledger.url.database}",
            )

    def _admin(self, *statements: str) -> None:
        self._ledger.close()  # no database is copied while somebody uses it
        engine = sa.create_engine(self._ledger.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
