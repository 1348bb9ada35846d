"""What the checks of the health need, from Airflow's Connections and configuration."""

from __future__ import annotations

from collections.abc import Callable

from airflow.configuration import conf

from hooks.airtable import AirtableHook
from hooks.engine import HOOKS, endpoint_of
from hooks.ledger import LedgerHook
from schedulo.airtable.calls import BESIDE_PER_S
from schedulo.airtable.client import AirtableClient
from schedulo.errors.airtable import AirtableError
from schedulo.health.findings import Means
from schedulo.settings import settings

EXECUTION = "/execution"


def health_means() -> Means:
    """All Connections are read here and now: the checks run in threads, which cannot ask Airflow."""
    endpoints = [(hook.conn_type, endpoint_of(hook)) for hook in HOOKS]
    return Means(
        ledger=LedgerHook().unchecked(),
        settings=settings(),
        airtable=_airtable(),
        platforms={name: endpoint.bases[name] for name, endpoint in endpoints},
        airflow_url=airflow_url(),
        with_token=frozenset(
            f"{name}:{endpoint.account_id}"
            for name, endpoint in endpoints
            if endpoint.token and endpoint.account_id
        ),
    )


def watch_means() -> Means:
    """What watching Airflow takes: its own address and the ledger's."""

    def nothing() -> AirtableClient:
        raise AssertionError("who watches Airflow asks nobody else")

    return Means(LedgerHook().unchecked(), settings(), nothing, {}, airflow_url())


def airflow_url() -> str:
    """Where the API server answers within the installation: workers know it by its execution API; else where
    people find it. Without a slash at the end."""
    inner = (conf.get("core", "execution_api_server_url", fallback="") or "").rstrip("/")
    if inner.endswith(EXECUTION):
        return inner.removesuffix(EXECUTION)
    return (conf.get("api", "base_url", fallback="") or "").rstrip("/")


def _airtable() -> Callable[[], AirtableClient]:
    """The client, or what is wrong with its Connection when it is asked for."""
    try:
        client = AirtableHook().client(BESIDE_PER_S)
    except AirtableError as error:
        wrong = error

        def refuse() -> AirtableClient:
            raise wrong

        return refuse
    return lambda: client
