"""Airtable's Connection: an API client of pyairtable, the engine's client on it, and the test button.

The Connection's form is in `provider_info`.
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from pyairtable import Api

from hooks.ledger import LedgerHook
from schedulo.airtable.base import try_base
from schedulo.airtable.calls import CALLS_PER_S
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.pace import SharedPace
from schedulo.errors.airtable import AirtableError, AirtableSetupError
from schedulo.ledger.database import Ledger
from schedulo.settings import settings

HOST = "https://api.airtable.com"
TEST_SECONDS = 20.0


class AirtableHook(BaseHook):
    """
    An Airtable base.

    Password: personal access token. Extra: `base_id`. Host: address of the API (empty: Airtable's own).

    :param airtable_conn_id: the Connection's id.
    """

    conn_name_attr = "airtable_conn_id"
    default_conn_name = "airtable_default"
    conn_type = "airtable"
    hook_name = "Airtable"

    def __init__(self, airtable_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.airtable_conn_id = airtable_conn_id

    def __repr__(self) -> str:
        return f"AirtableHook({self.airtable_conn_id!r})"

    def get_conn(self) -> Api:
        """pyairtable's client, without retries of its own: `AirtableClient` repeats by Airtable's rules.

        :raises AirtableSetupError: where there is no Connection, or it has no token
        """
        return self._api(self._connection())

    def _api(self, connection: Connection) -> Api:
        token = (connection.password or "").strip()
        if not token:
            raise AirtableSetupError(
                f"Connection {self.airtable_conn_id}: Password is empty; "
                "the operator puts the base's personal access token there."
            )
        return Api(token, retry_strategy=None, endpoint_url=_address(connection))

    def _connection(self) -> Connection:
        try:
            return self.get_connection(self.airtable_conn_id)
        except AirflowNotFoundException:
            raise self._none() from None

    def _none(self) -> AirtableSetupError:
        return AirtableSetupError(
            f"Connection {self.airtable_conn_id}: there is none; the operator makes one of the type Airtable."
        )

    def host(self) -> str:
        """The address of the API, with its scheme."""
        return _address(self._connection())

    def base_id(self) -> str:
        """The base that the Connection names.

        :raises AirtableSetupError: where it names none
        """
        return self._base_id(self._connection())

    def _base_id(self, connection: Connection) -> str:
        base_id = str(connection.extra_dejson.get("base_id") or "").strip()
        if not base_id.startswith("app"):
            raise AirtableSetupError(
                f"Connection {self.airtable_conn_id}: Base ID ({base_id or 'empty'}) must begin with app; "
                "the operator takes it from the address of the base."
            )
        return base_id

    def mapping(self) -> Mapping:
        """The base's own names, from the file that `SCHEDULO_AIRTABLE_MAPPING` names. Raises MappingError."""
        return Mapping.load(settings().airtable_mapping)

    def client(self, calls_per_s: int = CALLS_PER_S) -> AirtableClient:
        """The engine's client of the base; all of them share Airtable's limit through the ledger.

        :param calls_per_s: requests of this one in one second at the most
        :raises AirtableSetupError: where the Connection lacks something or the mapping file cannot be used
        """
        return self._client(self._connection(), _ledger(LedgerHook().url()), calls_per_s)

    async def aclient(self, ledger: Ledger) -> AirtableClient:
        """The same, from a trigger that has the ledger.

        :raises AirtableSetupError: likewise
        """
        try:
            connection = await self.aget_connection(self.airtable_conn_id)
        except AirflowNotFoundException:
            raise self._none() from None
        return self._client(connection, ledger)

    def _client(
        self, connection: Connection, ledger: Ledger, calls_per_s: int = CALLS_PER_S
    ) -> AirtableClient:
        base_id = self._base_id(connection)
        pace = SharedPace(ledger, base_id, settings().airtable_calls_per_s)
        return AirtableClient(
            self._api(connection), base_id, self.mapping(), calls_per_s=calls_per_s, pace=pace
        )

    def test_connection(self) -> tuple[bool, str]:
        """Whether every table can be reached and fits, for Airflow's Test button; else every reason."""
        try:
            client = self.client()
            with client.within(TEST_SECONDS):
                problems = try_base(client)
        except AirtableError as error:
            return False, str(error)
        if problems:
            return False, " ".join(problems)
        return True, f"Base {client.base_id}: every table and field is there."


@cache
def _ledger(url: str | sa.URL) -> Ledger:
    """One handle a process: clients come and go."""
    return Ledger(url)


def _address(connection: Connection) -> str:
    host = (connection.host or HOST).rstrip("/")
    return host if "://" in host else f"https://{host}"
