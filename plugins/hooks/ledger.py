"""The ledger's address: the environment, else the Connection `schedulo_db`, else a file."""

from __future__ import annotations

import sqlalchemy as sa
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from schedulo.ledger.database import Ledger
from schedulo.settings import settings

_SCHEMES = {"postgres": "postgresql"}


class LedgerHook(BaseHook):
    """
    The ledger.

    `SCHEDULO_LEDGER_URL` comes first: callbacks of deadlines and the health page may not read Connections.

    :param schedulo_conn_id: the Connection's id; its type is that of the database (postgres or sqlite).
    """

    conn_name_attr = "schedulo_conn_id"
    default_conn_name = "schedulo_db"

    def __init__(self, schedulo_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.schedulo_conn_id = schedulo_conn_id

    def get_conn(self) -> Ledger:
        """An open ledger. Raises `LedgerError` where the address or the schema does not fit."""
        return self._open(self.url())

    def unchecked(self) -> Ledger:
        """A ledger that nobody has asked anything yet, for those who find out whether it is there."""
        return Ledger(self.url())

    def url(self) -> str | sa.URL:
        """Where it is."""
        return settings().ledger_url or self._from_connection()

    async def aget_conn(self) -> Ledger:
        """The same, from a trigger."""
        url: str | sa.URL = settings().ledger_url
        if not url:
            try:
                url = _url(await self.aget_connection(self.schedulo_conn_id))
            except AirflowNotFoundException:
                url = settings().ledger
        return self._open(url)

    def _from_connection(self) -> str | sa.URL:
        try:
            return _url(self.get_connection(self.schedulo_conn_id))
        except AirflowNotFoundException:
            return settings().ledger

    @staticmethod
    def _open(url: str | sa.URL) -> Ledger:
        ledger = Ledger(url)
        ledger.check()
        return ledger


def _url(connection: Connection) -> sa.URL:
    """The Connection as SQLAlchemy wants it; for SQLite its host is the file."""
    if connection.conn_type == "sqlite":
        return sa.URL.create("sqlite", database=connection.host)
    return sa.URL.create(
        _SCHEMES.get(connection.conn_type, connection.conn_type),
        username=connection.login,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
    )
